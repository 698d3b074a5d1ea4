package wal

import (
	"context"
	"testing"
)

func thousand() [][]byte {
	records := make([][]byte, 1000)
	for i := range records {
		records[i] = make([]byte, 120)
	}
	return records
}

func BenchmarkAppend1000(b *testing.B)          { benchmarkAppend1000(b, nil) }
func BenchmarkAppend1000Encrypted(b *testing.B) { benchmarkAppend1000(b, testKeys(1)) }

func benchmarkAppend1000(b *testing.B, keys *Keys) {
	l := open(b, Options{Dir: b.TempDir(), MaxBytes: 1 << 40, Keys: keys})
	records := thousand()
	b.SetBytes(120 * 1000)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Append(context.Background(), records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAppendSingle256(b *testing.B)          { benchmarkAppendSingle256(b, nil) }
func BenchmarkAppendSingle256Encrypted(b *testing.B) { benchmarkAppendSingle256(b, testKeys(1)) }

func benchmarkAppendSingle256(b *testing.B, keys *Keys) {
	l := open(b, Options{Dir: b.TempDir(), MaxBytes: 1 << 40, Keys: keys})
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

func BenchmarkFetch(b *testing.B)          { benchmarkFetch(b, nil) }
func BenchmarkFetchEncrypted(b *testing.B) { benchmarkFetch(b, testKeys(1)) }

func benchmarkFetch(b *testing.B, keys *Keys) {
	l := open(b, Options{Dir: b.TempDir(), MaxBytes: 1 << 40, Keys: keys})
	records := thousand()
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

// BenchmarkStart opens a log that nobody has read.
func BenchmarkStart(b *testing.B)          { benchmarkStart(b, nil) }
func BenchmarkStartEncrypted(b *testing.B) { benchmarkStart(b, testKeys(1)) }

func benchmarkStart(b *testing.B, keys *Keys) {
	const requests = 1000
	opts := Options{Dir: b.TempDir(), Keys: keys}
	l, err := New(opts)
	if err != nil {
		b.Fatal(err)
	}
	records := thousand()
	for range requests {
		if err := l.Append(context.Background(), records); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(120 * 1000 * requests)
	b.ReportAllocs()
	for b.Loop() {
		l, err := New(opts)
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
