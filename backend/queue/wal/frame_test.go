package wal

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sealed returns a frame for the beginning of a file.
func (c *codec) sealed(first uint64, records ...[]byte) []byte {
	b := make([]byte, frameHeader)
	for _, r := range records {
		b = binary.AppendUvarint(b, uint64(len(r)))
		b = append(b, r...)
	}
	return c.seal(b, len(records), first, 0)
}

// testCodec returns a codec that encrypts, or does not.
func testCodec(t testing.TB, salt uint32, encrypted bool) *codec {
	t.Helper()
	c := &codec{salt: salt}
	if encrypted {
		var err error
		c.aead, err = segmentCipher(make([]byte, keySize), []byte("salt"), []byte("header"))
		require.NoError(t, err)
	}
	return c
}

func TestFrameIdentity(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		salt := rapid.Uint32().Draw(rt, "salt")
		encrypted := rapid.Bool().Draw(rt, "encrypted")
		c := testCodec(t, salt, encrypted)
		first := rapid.Uint64Range(1, 1<<62).Draw(rt, "first")
		records := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, 6).Draw(rt, "records")
		whole := c.sealed(first, records...)
		parse := func(b []byte, c *codec) (frame, error) { return c.parse(bytes.Clone(b), 0) }

		f, err := parse(append(bytes.Clone(whole), "behind"...), c)
		require.NoError(rt, err)
		require.Equal(rt, first, f.first)
		require.Equal(rt, len(records), f.count)
		require.Equal(rt, len(whole), f.size)
		rest := f.payload
		size := 0
		for _, want := range records {
			var got []byte
			got, rest, _ = cutRecord(rest)
			require.Equal(rt, string(want), string(got))
			size += recordSize(want)
		}
		require.Equal(rt, len(f.payload), size)
		require.LessOrEqual(rt, len(whole)-size, frameExtra)

		cut := rapid.IntRange(0, len(whole)-1).Draw(rt, "cut")
		_, err = parse(whole[:cut], c)
		require.ErrorIs(rt, err, errShort)
		at, bit := rapid.IntRange(0, len(whole)-1).Draw(rt, "at"), rapid.IntRange(0, 7).Draw(rt, "bit")
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << bit
		_, err = parse(flipped, c)
		require.ErrorIs(rt, err, errBad)
		_, err = parse(whole, testCodec(t, salt+1, encrypted))
		require.ErrorIs(rt, err, errBad)
		if encrypted {
			_, err = c.parse(bytes.Clone(whole), 1)
			require.ErrorIs(rt, err, errBad, "a frame that was moved")
			for _, r := range records {
				require.False(rt, len(r) > 8 && bytes.Contains(whole, r), "a record in the clear")
			}
		}
	})
}

// Whatever is in a file, the reader neither panics nor reads beyond it, and what
// it takes for a frame is one.
func FuzzParseFrame(f *testing.F) {
	c := &codec{salt: 7}
	f.Add(c.sealed(1, []byte("one"), nil, []byte("three")), uint32(7), false)
	f.Add(c.sealed(1), uint32(7), false)
	f.Add([]byte("FLWG"), uint32(0), true)
	f.Fuzz(func(t *testing.T, b []byte, salt uint32, seal bool) {
		c := &codec{salt: salt}
		if seal && len(b) > frameHeader {
			// Good checksums around anything, so that what is behind them is reached.
			b = c.seal(b, int(binary.LittleEndian.Uint32(b[8:])), binary.LittleEndian.Uint64(b[12:]), 0)
		}
		got, err := c.parse(b, 0)
		if err != nil {
			return
		}
		require.LessOrEqual(t, got.size, len(b))
		require.LessOrEqual(t, got.count, len(got.payload))
		rest := got.payload
		for range got.count {
			var ok bool
			_, rest, ok = cutRecord(rest)
			require.True(t, ok)
		}
		require.Empty(t, rest)
	})
}
