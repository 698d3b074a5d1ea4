package query

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Moments of windows with gaps between them are not equally far from each other.
func TestTotalsAtMomentsWithGaps(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	horizon := Horizon{First: from.Unix(), Last: from.Unix() + 2*secondsPerDay, Resolution: 60}
	var events []event.Event
	ends := map[string][]int64{} // in milliseconds
	for i, ms := 0, horizon.First*1000; ms < horizon.Last*1000; i, ms = i+1, ms+150_000 {
		workflow := []string{"a", "b", "b"}[i%3]
		events = append(events, event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: strconv.Itoa(i),
			Time: ms, PreviousTime: event.NoTime, Duration: 5, WorkflowID: workflow, UserID: "ann",
		})
		ends[workflow] = append(ends[workflow], ms)
	}
	s.Insert(t, events...)
	s.Settle(t)
	windows := func(distance, step, width int64) (at []int64) {
		for window := horizon.First + distance; window < horizon.Last; window += distance {
			for moment := window - width; moment <= window; moment += step {
				at = append(at, moment)
			}
		}
		return at
	}
	e, err := New(Config{Client: s.ReadOnly(t), Now: func() time.Time { return time.Unix(horizon.Last, 0) }})
	require.NoError(t, err)
	for name, at := range map[string][]int64{
		"some in a row": windows(6*3600, 60, 600), "two in turn": windows(300, 240, 240), "three": windows(20*3600, 60, 60)[:3], "close to each other": windows(1800, 60, 60),
	} {
		t.Run(name, func(t *testing.T) { requireTotals(t, e, horizon, at, ends) })
	}
}

// requireTotals asks for the totals of executions by workflow, and counts them anew.
func requireTotals(t *testing.T, e *Engine, horizon Horizon, at []int64, ends map[string][]int64) {
	t.Helper()
	got, err := e.Totals(t.Context(), admin, TotalsRequest{
		Metrics: []string{"executions_completed"}, GroupBy: []string{metric.Workflow}, Horizon: horizon, At: at,
	})
	require.NoError(t, err)
	require.Len(t, got.Groups, 2)
	for _, g := range got.Groups {
		ends := ends[g.Dimensions[0]]
		require.NotEmpty(t, ends)
		next, total := 0, 0.0
		for i, moment := range append(at, horizon.Last) { // the last is after all moments
			for next < len(g.Steps) && int(g.Steps[next]) <= i {
				require.Equal(t, i, int(g.Steps[next]), "a step is told once, in order")
				total = g.Sums[0][next]
				next++
			}
			want := 0
			for _, ms := range ends {
				if ms < moment*1000 {
					want++
				}
			}
			require.Equal(t, want, int(total), "%s at moment %d", g.Dimensions[0], i)
		}
		require.Len(t, g.Steps, next)
	}
}

// What an answer takes is bounded while it is read, the buckets of histograms included,
// and a reading that somebody else records is not recorded twice.
func TestTotalsAreBounded(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	horizon := Horizon{First: from.Unix(), Last: from.Unix() + secondsPerDay, Resolution: 60}
	var events []event.Event
	for i := range 20 {
		events = append(events, event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: strconv.Itoa(i),
			Time: (horizon.First + int64(i)*600) * 1000, PreviousTime: event.NoTime, Duration: int64(1 + i*i*50), WorkflowID: "a",
		})
	}
	s.Insert(t, events...)
	s.Settle(t)
	audit := &recorded{}
	e, err := New(Config{Client: s.ReadOnly(t), Now: func() time.Time { return time.Unix(horizon.Last, 0) }, Auditor: audit})
	require.NoError(t, err)
	var at []int64
	for moment := horizon.First; moment <= horizon.Last; moment += 600 {
		at = append(at, moment)
	}
	r := TotalsRequest{Metrics: []string{"duration_sum"}, Histogram: true, GroupBy: []string{metric.Workflow}, Horizon: horizon, At: at}
	got, err := e.Totals(Recorded(t.Context()), admin, r)
	require.NoError(t, err)
	require.Empty(t, audit.records)
	require.Len(t, got.Groups, 1)
	buckets := 0
	for _, h := range got.Groups[0].Histograms {
		buckets += len(h.Buckets)
	}
	require.Equal(t, 20, buckets)
	require.GreaterOrEqual(t, got.Size, 40)
	r.Most = got.Size
	_, err = e.Totals(t.Context(), admin, r)
	require.NoError(t, err)
	require.Len(t, audit.records, 1)
	r.Most--
	_, err = e.Totals(t.Context(), admin, r)
	var wrong *RequestError
	require.ErrorAs(t, err, &wrong)
}
