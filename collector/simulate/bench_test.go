package simulate

import (
	"testing"
	"time"
)

// BenchmarkHistory generates a day at a time. Its ns/event is what matters.
func BenchmarkHistory(b *testing.B) {
	for name, c := range map[string]Config{"default": {Seed: 1}, "scale 20": {Seed: 1, Scale: 20}} {
		b.Run(name, func(b *testing.B) {
			p, err := New(c)
			if err != nil {
				b.Fatal(err)
			}
			from := time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)
			events, bytes, days := 0, 0, 0
			b.ReportAllocs()
			for b.Loop() {
				for c := range p.History(from, from.AddDate(0, 0, 7)) {
					events += c.Events
					bytes += len(c.Body)
				}
				from = from.AddDate(0, 0, 7)
				days += 7
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(events)/float64(days), "events/day")
			b.ReportMetric(float64(bytes)/float64(events), "B/event")
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Config{Seed: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
