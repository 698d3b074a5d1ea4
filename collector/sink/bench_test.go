package sink

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/simulate"
)

// BenchmarkRawInsert is the yardstick of ingest: the same rows as BenchmarkIngest
// sends, ready as columns, inserted by 100,000 into the same tables, with nothing
// in front of it and no rollups behind it. One operation is one event.
func BenchmarkRawInsert(b *testing.B) {
	client := schematest.Client(b)
	platform, err := simulate.New(simulate.Config{Seed: 1, Scale: 20})
	require.NoError(b, err)
	end := time.Now().UTC().Truncate(time.Hour)
	var batches []*batch
	current, events := newBatch("log", func(*event.Event) {}), 0
	for chunk := range platform.History(end.Add(-90*24*time.Hour), end) {
		fault := event.Decode(chunk.Body, event.FormatNDJSON, event.Options{Tenant: "t"}, func(_ int, _ []byte, e *event.Event, fault *event.Error) bool {
			require.Nil(b, fault)
			events++
			require.NoError(b, current.add(arrival{Record: queue.Record{Version: queue.Version(events), Data: event.AppendBinary(nil, e)}}))
			if current.events == 100_000 {
				batches = append(batches, current)
				current = newBatch("log", func(*event.Event) {})
			}
			return events < b.N
		})
		require.Nil(b, fault)
		if events >= b.N {
			break
		}
	}
	batches = append(batches, current)
	b.ResetTimer()
	began := time.Now()
	for _, batch := range batches {
		var group errgroup.Group
		for _, t := range batch.tables {
			group.Go(func() error {
				if t.rows() == 0 {
					return nil
				}
				return client.Insert(b.Context(), t.name, t.inputs()...)
			})
		}
		require.NoError(b, group.Wait())
	}
	b.ReportMetric(float64(events)/time.Since(began).Seconds(), "stored/s")
	b.ReportMetric(0, "ns/op")
}
