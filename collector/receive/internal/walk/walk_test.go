package walk

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// rebuild reads a value the way a user of the package does.
func rebuild(t testing.TB, r *Reader) any {
	switch r.Kind() {
	case '{':
		out := map[string]any{}
		for r.Enter(); r.More(); {
			name := string(r.Name())
			out[strings.ToValidUTF8(name, "\ufffd")] = rebuild(t, r)
		}
		return out
	case '[':
		out := []any{}
		for r.Enter(); r.More(); {
			out = append(out, rebuild(t, r))
		}
		return out
	case '"':
		raw := r.Value()
		require.Equal(t, string(Text(nil, raw)), String(raw))
		return strings.ToValidUTF8(String(raw), "\ufffd")
	}
	var v any
	require.NoError(t, json.Unmarshal(r.Value(), &v))
	return v
}

func FuzzWalk(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, ` [ 1 , "a\"b" ,{"c":[true,null,-1.5e3]} ] `, `{"a\u0062":"\ud83d\ude00\ud800x\n"}`, `"\u00e9é"`, `{"a":{"b":"}]"}}`, "\"\xff\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want any
		if json.Unmarshal(text, &want) != nil || !utf8.Valid(text) {
			return // encoding/json replaces a run of bad bytes in its own way.
		}
		require.True(t, json.Valid(text))
		require.Equal(t, want, rebuild(t, New(text)))
		whole := New(text)
		require.Equal(t, strings.Trim(string(text), " \t\r\n"), string(whole.Value()))
	})
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "é\"\\\x00\x1f\n\t/<>&\u2028", "\xff\xfea\xc0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := Quote([]byte("x"), s)[1:]
		require.True(t, utf8.Valid(quoted))
		var got, want string
		require.NoError(t, json.Unmarshal(quoted, &got))
		b, err := json.Marshal(s)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &want))
		require.Equal(t, want, got)
		require.Equal(t, want, string(Text(nil, quoted)))
	})
}
