package event

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

var sampleLetter = DeadLetter{
	Tenant: "acme", Source: "engine", Kind: KindActivity, KeyID: "k1", Path: "/api/v1/events", ContentType: "application/json", Index: 7,
	Code: CodeUnknownField, Field: "colour", Message: "no event has a field", Payload: []byte(`{"colour":1}`),
}

func TestDeadLetterIdentity(t *testing.T) {
	for _, l := range []DeadLetter{{Payload: []byte{}}, {Index: -1, Truncated: true, Payload: []byte{0xff}}, sampleLetter} {
		b := AppendDeadLetter(nil, &l)
		require.Equal(t, RecordDeadLetter, RecordType(b))
		var got DeadLetter
		require.NoError(t, DecodeDeadLetter(b, &got))
		require.Equal(t, l, got)
		for cut := range b {
			require.ErrorIs(t, DecodeDeadLetter(b[:cut:cut], &got), ErrCorrupt)
		}
		require.ErrorIs(t, DecodeBinary(b, new(Event)), ErrCorrupt)
	}
}

// A log may hold letters from before they had kinds and paths.
func TestDeadLetterWithoutKindAndPath(t *testing.T) {
	var got DeadLetter
	require.NoError(t, DecodeDeadLetter([]byte("\x02\x01\x04acme\x00\x02k1\x00\x0dmissing_field\x02id\x00\x0e\x02{}"), &got))
	require.Equal(t, DeadLetter{
		Tenant: "acme", KeyID: "k1", Code: CodeMissingField, Field: "id", Index: 7, Payload: []byte("{}"), Truncated: true,
	}, got)
	for _, flags := range []byte{5 << letterKindShift, letterFlags + 1, 0xff} {
		b := AppendDeadLetter(nil, &sampleLetter)
		b[1] = flags
		require.ErrorIs(t, DecodeDeadLetter(b, &got), ErrCorrupt, "%x", flags)
	}
}

func TestDeadLetterPayloadIsCut(t *testing.T) {
	l := sampleLetter
	l.Payload = bytes.Repeat([]byte("x"), MaxDeadLetterPayload+1)
	var got DeadLetter
	require.NoError(t, DecodeDeadLetter(AppendDeadLetter(nil, &l), &got))
	require.True(t, got.Truncated)
	require.Equal(t, l.Payload[:MaxDeadLetterPayload], got.Payload)
}

func FuzzDecodeDeadLetter(f *testing.F) {
	f.Add(AppendDeadLetter(nil, &sampleLetter))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l, again DeadLetter
		if DecodeDeadLetter(b, &l) != nil {
			return
		}
		require.NoError(t, DecodeDeadLetter(AppendDeadLetter(nil, &l), &again))
		require.Equal(t, l, again)
	})
}
