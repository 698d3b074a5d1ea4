package enrich_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// BenchmarkPlugin passes batches through a plugin that changes every event.
func BenchmarkPlugin(b *testing.B) {
	chain := chainOf(b, hosttest.Misbehave(b, nil), host.Use{Settings: hosttest.Settings(b, "", false), OnFailure: host.Hold, Timeout: time.Minute})
	events := make([]event.Event, contract.MaxBatch)
	for b.Loop() {
		for i := range events {
			events[i] = activity("an-id-of-an-event", `{"a":"fine"}`)
		}
		_, err := chain.Enrich(b.Context(), events)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*contract.MaxBatch), "ns/event")
}
