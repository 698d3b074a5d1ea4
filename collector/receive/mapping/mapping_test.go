package mapping

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
)

// values is a source whose references are the letters of a text.
type values map[int]string

func (v values) Text(ref int) (string, bool) {
	s, ok := v[ref]
	return s, ok
}

func letters(name string) (int, error) {
	if len(name) != 1 {
		return 0, errors.New("no letter")
	}
	return int(name[0]), nil
}

func TestTexts(t *testing.T) {
	src := values{'a': "A", 'b': "B", 'e': ""}
	for texts, want := range map[string]string{
		"plain": "plain", "{a}": "A", "{a}-{b}": "A-B", "<{a}": "<A", "{a}>": "A>", "{x}|{a}": "A", "{e}|{b}": "B", "{e}x|{b}": "B",
		"{x}{a}|y": "y", "{x}": "", "}{a}": "}A",
	} {
		compiled, err := Compile(strings.Split(texts, "|"), letters)
		require.NoError(t, err)
		arena := NewArena(nil, 0)
		got, ok := compiled.Text(src, &arena)
		require.Equal(t, want, got, texts)
		require.Equal(t, want != "", ok)
	}
	for _, bad := range []string{"", "{", "{a", "{ab}", "{}"} {
		_, err := Compile([]string{bad}, letters)
		require.ErrorContains(t, err, `"`+bad+`"`)
	}
}

// A pattern is the regular expression whose .* are its stars; the first takes as
// little as possible.
func TestPattern(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "text")
		p := NewPattern(pattern)
		star, ok := p.Match(s)
		if pattern == "" {
			require.True(t, ok && p.Any())
			return
		}
		parts := strings.Split(pattern, "*")
		re := regexp.MustCompile("^" + strings.Join(parts, "(.*?)") + "$")
		m := re.FindStringSubmatch(s)
		require.Equal(t, m != nil, ok)
		require.Equal(t, pattern == "*", p.Any())
		if m != nil && len(parts) > 1 {
			require.Equal(t, m[1], star)
		}
	})
}

// Texts stay what they were, however many follow, and the memory is asked for.
func TestArena(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reserved, room := 0, rapid.IntRange(0, 1<<20).Draw(t, "room")
		arena := NewArena(func(n int) bool {
			if reserved+n > room {
				return false
			}
			reserved += n
			return true
		}, rapid.IntRange(0, 1<<10).Draw(t, "expected"))
		var want, got []string
		total := 0
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 20_000), 0, 50).Draw(t, "lengths") {
			s := strings.Repeat(string(rune('a'+len(want)%26)), n)
			kept := arena.Keep([]byte(s))
			if arena.Full() {
				require.Greater(t, reserved+max(n, leastChunk), room/4, "there was room")
				break
			}
			want, got, total = append(want, s), append(got, kept), total+n
		}
		require.Equal(t, want, got)
		require.GreaterOrEqual(t, reserved, total)
	})
}

func TestStatus(t *testing.T) {
	s, err := CompileStatus(config.StatusMapping{From: []string{"{a}", "{b}"}, Started: []string{"s"}, Failed: []string{"f", "g"}, Skipped: []string{"k"}, Ignored: []string{"i"}}, letters)
	require.NoError(t, err)
	arena := NewArena(nil, 0)
	for value, want := range map[string]event.Status{"s": event.StatusStarted, "g": event.StatusFailed, "k": event.StatusSkipped, "i": Ignored, "x": 0, "": 0} {
		require.Equal(t, want, s.Of(values{'a': value}, &arena))
		require.Equal(t, want, s.Of(values{'b': value}, &arena))
	}
	none := Status{}
	require.Zero(t, none.Of(values{}, &arena))
	for _, k := range event.Kinds {
		got, err := Kind(k.String())
		require.NoError(t, err)
		require.Equal(t, k, got)
	}
	got, err := Kind("ignore")
	require.NoError(t, err)
	require.Zero(t, got)
}
