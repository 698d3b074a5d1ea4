package wal

import (
	"context"
	"testing"
)

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
