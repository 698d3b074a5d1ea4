package app_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/collector/client"
	"github.com/flowgauge/flowgauge/collector/simulate"
)

type body struct {
	text   []byte
	events int
}

// bodies generates requests of 1,000 events of a simulated platform, as many as
// hold the given number of events.
func bodies(b *testing.B, events int) (out []body) {
	b.Helper()
	platform, err := simulate.New(simulate.Config{Seed: uint64(time.Now().UnixNano()), Scale: 20})
	require.NoError(b, err)
	end := time.Now().UTC().Truncate(time.Hour)
	have := 0
	for chunk := range platform.History(end.Add(-90*24*time.Hour), end) {
		for text, n := range chunk.Split(1000, 4<<20) {
			out = append(out, body{slices.Clone(text), n})
			if have += n; have >= events {
				return out
			}
		}
	}
	b.Fatalf("90 days have %d events only", have)
	return nil
}

// BenchmarkIngest measures durable ingest over HTTP with everything on: bodies
// of 1,000 events, four in flight, each answered after fsync, while the sink
// stores and the roller rolls up. It ends when every event is in ClickHouse. One
// operation is one event.
func BenchmarkIngest(b *testing.B) {
	s := up(b, b.TempDir())
	c, err := client.New(client.Config{URL: s.url, Key: s.key(), Encoding: client.EncodingIdentity, MaxElapsed: client.Forever})
	require.NoError(b, err)
	work := bodies(b, max(b.N, 1000))
	b.ResetTimer()

	began := time.Now()
	queue := make(chan body)
	var senders sync.WaitGroup
	events := 0
	for range 4 {
		senders.Go(func() {
			for part := range queue {
				if _, err := c.Send(context.Background(), part.text, part.events); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, part := range work {
		queue <- part
		events += part.events
	}
	close(queue)
	senders.Wait()
	accepted := time.Since(began)
	for !s.stored(events) {
		time.Sleep(10 * time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(events)/accepted.Seconds(), "accepted/s")
	b.ReportMetric(float64(events)/time.Since(began).Seconds(), "stored/s")
	b.ReportMetric(0, "ns/op")
}

func (s *server) stored(events int) bool {
	_, body := s.call("GET", "/metrics", "", nil)
	return strings.Contains(string(body), fmt.Sprintf("\nflowgauge_sink_stored_records_total %v\n", float64(events)))
}

// BenchmarkThirtyDays measures questions about 30 days of a simulated platform,
// over HTTP, from rollups.
func BenchmarkThirtyDays(b *testing.B) {
	s := up(b, b.TempDir())
	c, err := client.New(client.Config{URL: s.url, Key: s.key(), MaxElapsed: client.Forever})
	require.NoError(b, err)
	report, err := simulate.Run(b.Context(), simulate.RunConfig{
		Platform: simulate.Config{Seed: 1}, Client: c, Target: c.Target(), History: 30 * 24 * time.Hour, Progress: io.Discard,
	})
	require.NoError(b, err)
	s.settle()
	b.Logf("%d events in 30 days", report.Accepted)
	period := fmt.Sprintf(`"from":%q,"to":%q`, report.From.Format(time.RFC3339), report.To.Format(time.RFC3339))
	for _, q := range []struct{ name, request string }{
		{"total", `{"metrics":["executions","success_rate","duration_p95"],` + period + `}`},
		{"by_day", `{"metrics":["executions_completed","executions_failed"],"granularity":"day",` + period + `}`},
		{"by_hour_in_Berlin", `{"metrics":["executions","duration_p95"],"granularity":"hour","timeZone":"Europe/Berlin",` + period + `}`},
		{"top_workflows", `{"metrics":["executions","success_rate","duration_p95"],"groupBy":["workflow"],"orderBy":"executions","descending":true,"limit":10,` + period + `}`},
		{"cost_by_action_and_day", `{"metrics":["dollars"],"groupBy":["action_type"],"granularity":"day",` + period + `}`},
		{"daily_active_users", `{"metrics":["active_users","sessions"],"granularity":"day",` + period + `}`},
	} {
		b.Run(q.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				s.ask(q.request)
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
