package gather_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/gather"
)

// BenchmarkGather keeps fragments and makes rows of them, a batch of 20,000 at a
// time: the starts of 10,000 steps, and the ends of those of the batch before. One
// operation is one fragment.
func BenchmarkGather(b *testing.B) {
	client := schematest.Client(b)
	g, err := gather.New(client)
	require.NoError(b, err)
	const runs = 10_000
	at := time.Date(2024, 5, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
	fragment := func(batch, run int, status event.Status) gather.Fragment {
		return gather.Fragment{Version: queue.Version(1 + 3*(batch*runs+run) + int(status)), Fragment: event.Fragment{
			Tenant: "t", Source: "openlineage", Run: "0190b1c4-" + strconv.Itoa(batch) + "-7000-8000-" + strconv.Itoa(1_000_000+run),
			Status: status, Time: at + int64(batch)*60_000 + int64(status)*10_000 + int64(run), Duration: event.NoDuration,
			Execution: "0190b1c4-" + strconv.Itoa(batch) + "-7000-8000-000000000000", Workflow: "airflow/dag", StepID: "dag.task", StepType: "TASK",
			Facts: []event.Fact{{Name: "integration", Value: "AIRFLOW"}, {Name: "job", Value: "dag.task"}, {Name: "namespace", Value: "airflow"}},
		}}
	}
	b.ResetTimer()
	done, rows := 0, 0
	for batch := 0; done < b.N; batch++ {
		var fragments []gather.Fragment
		for run := range runs {
			if batch > 0 {
				fragments = append(fragments, fragment(batch-1, run, event.StatusCompleted))
			}
			fragments = append(fragments, fragment(batch, run, event.StatusStarted))
		}
		made, err := g.Gather(b.Context(), fragments)
		require.NoError(b, err)
		done, rows = done+len(fragments), rows+len(made)
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "fragments/s")
	b.ReportMetric(float64(rows), "rows")
	b.ReportMetric(0, "ns/op")
}
