package query

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Answers that are made of rows themselves take the filters that only rows have, and
// those of the clock in the zone that is asked for.
func TestRowsByHourAndExecution(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 1, 9, 7, 0, 0, time.UTC)
	to := from.Add(30 * time.Hour)
	events := append(runEvents(from, 9*time.Hour, 150, 3), planted(from)...)
	s.Insert(t, events...)
	s.Settle(t)
	e := newEngine(t, s, from.Add(1000*time.Hour), Limits{})
	const zone = "Asia/Kathmandu"
	loc, err := time.LoadLocation(zone)
	require.NoError(t, err)
	atHour := func(e *event.Event) bool { return time.UnixMilli(e.Time).In(loc).Hour() == 18 }
	hour := Filter{Dimension: "hour_of_day", Operator: In, Values: []string{"18"}}
	one, atSix := "", 0
	byVersion := map[uint32]int64{}
	for i := range events {
		x := &events[i]
		switch {
		case x.Kind != event.KindExecution || !atHour(x):
		case x.WorkflowID == "wf-a":
			one = x.ID
			atSix++
		case x.WorkflowID == "billing":
			byVersion[x.WorkflowVersion]++
		}
	}
	require.Greater(t, atSix, 1)
	for _, c := range []struct {
		filter Filter
		want   int
	}{{hour, atSix}, {Filter{Dimension: "execution", Operator: In, Values: []string{one}}, 1}} {
		res, err := e.Do(t.Context(), admin, Request{Kind: KindBottlenecks, From: from, To: to, TimeZone: zone, Filters: []Filter{workflowIs("wf-a"), c.filter}})
		require.NoError(t, err, c.filter)
		require.Equal(t, &Sample{Executions: c.want, Of: c.want}, res.Meta.Sample, c.filter)
	}

	res, err := e.Do(t.Context(), admin, Request{
		Kind: KindComparison, From: from, To: to, TimeZone: zone, Filters: []Filter{workflowIs("billing"), hour},
		Params: map[string]string{"baseline": "1", "candidate": "2"},
	})
	require.NoError(t, err)
	require.Equal(t, byVersion[2], field[int64](t, res.Frame, "candidate_executions")[0])
	require.Equal(t, "cost_per_execution", field[string](t, res.Frame, "measure")[2])

	res, err = e.Do(t.Context(), admin, Request{
		Kind: KindReconciliation, From: from, To: to, TimeZone: zone, Filters: []Filter{hour}, Params: map[string]string{"by": "total", "show": "all"},
	})
	require.NoError(t, err)
	var want event.Decimal
	standing := newOracle(to, events).events
	for i := range standing {
		if x := &standing[i]; x.Kind == event.KindStep && atHour(x) {
			want = want.Add(x.Credits)
		}
	}
	require.False(t, want.IsZero())
	require.Equal(t, []string{want.String()}, res.Exact["step_credits"])
}
