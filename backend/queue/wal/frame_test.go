package wal

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func sealed(salt uint32, first uint64, records ...[]byte) []byte {
	b := make([]byte, frameHeader)
	for _, r := range records {
		b = binary.AppendUvarint(b, uint64(len(r)))
		b = append(b, r...)
	}
	sealFrame(b, len(records), first, salt)
	return b
}

func TestFrameIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		salt := rapid.Uint32().Draw(t, "salt")
		first := rapid.Uint64Max(1<<62).Draw(t, "first")
		records := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 6).Draw(t, "records")
		b := sealed(salt, first, records...)
		f, err := parseFrame(append(b, "behind"...), salt)
		require.NoError(t, err)
		require.Equal(t, first, f.first)
		require.Equal(t, len(records), f.count)
		require.Equal(t, len(b), f.size())
		rest := f.payload
		size := 0
		for _, want := range records {
			var got []byte
			got, rest, _ = cutRecord(rest)
			require.Equal(t, string(want), string(got))
			size += recordSize(want)
		}
		require.Equal(t, len(f.payload), size)

		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		_, err = parseFrame(b[:cut], salt)
		require.ErrorIs(t, err, errShort)
		at, bit := rapid.IntRange(0, len(b)-1).Draw(t, "at"), rapid.IntRange(0, 7).Draw(t, "bit")
		b[at] ^= 1 << bit
		_, err = parseFrame(b, salt)
		require.Error(t, err)
		b[at] ^= 1 << bit
		_, err = parseFrame(b, salt+1)
		require.ErrorIs(t, err, errBad)
	})
}

// Whatever is in a file, the reader neither panics nor reads beyond it, and what
// it takes for a frame is one.
func FuzzParseFrame(f *testing.F) {
	f.Add(sealed(7, 1, []byte("one"), nil, []byte("three")), uint32(7), false)
	f.Add(sealed(7, 1), uint32(7), false)
	f.Add([]byte("FLWG"), uint32(0), true)
	f.Fuzz(func(t *testing.T, b []byte, salt uint32, seal bool) {
		if seal && len(b) >= frameHeader {
			// Good checksums around anything, so that what is behind them is reached.
			sealFrame(b, int(binary.LittleEndian.Uint32(b[8:])), binary.LittleEndian.Uint64(b[12:]), salt)
		}
		got, err := parseFrame(b, salt)
		if err != nil {
			return
		}
		require.LessOrEqual(t, got.size(), len(b))
		require.LessOrEqual(t, got.count, len(got.payload))
		rest := got.payload
		for range got.count {
			var ok bool
			_, rest, ok = cutRecord(rest)
			require.True(t, ok)
		}
		require.Empty(t, rest)
		require.True(t, frameFollows(append([]byte("FLWGx"), b...), salt))
	})
}

func BenchmarkAppend1000(b *testing.B) {
	l := open(b, Options{Dir: b.TempDir(), MaxBytes: 1 << 40})
	records := make([][]byte, 1000)
	for i := range records {
		records[i] = make([]byte, 120)
	}
	b.SetBytes(120 * 1000)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Append(context.Background(), records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAppendSingle256(b *testing.B) {
	l := open(b, Options{Dir: b.TempDir(), MaxBytes: 1 << 40})
	b.SetParallelism(128) // times GOMAXPROCS, 2
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		records := [][]byte{make([]byte, 120)}
		for pb.Next() {
			if err := l.Append(context.Background(), records); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkFetch(b *testing.B) {
	l := open(b, Options{Dir: b.TempDir(), MaxBytes: 1 << 40})
	records := make([][]byte, 1000)
	for i := range records {
		records[i] = make([]byte, 120)
	}
	for range b.N/1000 + 1 {
		if err := l.Append(context.Background(), records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		got, err := l.Fetch(context.Background(), 10000)
		if err != nil {
			b.Fatal(err)
		}
		n += len(got)
	}
}
