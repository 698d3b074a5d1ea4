package promql

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

// dataSet asks about a data set that nobody on this project made, with totals that a
// separate program counted.
type dataSet struct {
	t   *testing.T
	api *API
	end time.Time
}

func openReal(t *testing.T, name string, end time.Time, expected any) *dataSet {
	t.Helper()
	dir := filepath.Join("../../../shared/data", name)
	file, err := os.Open(filepath.Join(dir, "events.ndjson.gz"))
	if err != nil {
		servertest.Absent(t, "the data set %s is not here: %v", name, err)
	}
	defer file.Close()
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, expected))
	unzipped, err := gzip.NewReader(bufio.NewReader(file))
	require.NoError(t, err)
	body, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	s := querytest.New(t)
	var events []event.Event
	require.Nil(t, event.Decode(body, event.FormatNDJSON, event.Options{Tenant: "acme"}, func(_ int, _ []byte, e *event.Event, fault *event.Error) bool {
		require.Nil(t, fault)
		events = append(events, *e)
		return true
	}))
	s.Insert(t, events...)
	s.Settle(t)
	store, err := query.New(query.Config{Client: s.ReadOnly(t), Now: func() time.Time { return end.AddDate(1, 0, 0) }})
	require.NoError(t, err)
	return &dataSet{t: t, api: newTestAPI(t, store, admin), end: end}
}

// by evaluates at the data's end and returns values by one label.
func (r *dataSet) by(label, text string) map[string]float64 {
	r.t.Helper()
	q, err := r.api.engine.NewInstantQuery(context.Background(), r.api.queryable(admin, parsed(r.t, text), lookback), promql.NewPrometheusQueryOpts(false, lookback, nil), text, r.end)
	require.NoError(r.t, err)
	defer q.Close()
	res := q.Exec(context.Background())
	require.NoError(r.t, res.Err)
	v, err := res.Vector()
	require.NoError(r.t, err)
	out := map[string]float64{}
	for _, s := range v {
		out[s.Metric.Get(label)] = s.F
	}
	return out
}

func (r *dataSet) one(text string) float64 { return r.by("", text)[""] }

func TestFocusEqualsItsTotals(t *testing.T) {
	var want struct {
		Dollars  json.Number            `json:"dollars"`
		ByAction map[string]json.Number `json:"dollars_by_action"`
		ByDay    map[string]json.Number `json:"dollars_by_day"`
	}
	r := openReal(t, "focus", time.Date(2024, 10, 15, 0, 0, 0, 0, time.UTC), &want)
	number := func(n json.Number) float64 {
		f, err := n.Float64()
		require.NoError(t, err)
		return f
	}
	near(t, number(want.Dollars), r.one("sum(flowgauge_cost_dollars_charged_total) - sum(flowgauge_cost_dollars_credited_total)"), "dollars")
	actions := r.by("action_type", "sum by (action_type) (flowgauge_cost_dollars_charged_total) - sum by (action_type) (flowgauge_cost_dollars_credited_total)")
	require.Len(t, actions, len(want.ByAction))
	for action, n := range want.ByAction {
		near(t, number(n), actions[action], action)
	}
	for day, n := range want.ByDay {
		start, err := time.Parse(time.DateOnly, day)
		require.NoError(t, err)
		r.end = start.AddDate(0, 0, 1)
		charged := r.one("sum(flowgauge_cost_dollars_charged_total) - (sum(flowgauge_cost_dollars_charged_total offset 1d) or vector(0))")
		credited := r.one("sum(flowgauge_cost_dollars_credited_total) - (sum(flowgauge_cost_dollars_credited_total offset 1d) or vector(0))")
		require.InDelta(t, number(n), charged-credited, 1e-9, day)
	}
}

func TestEcomEqualsItsTotals(t *testing.T) {
	var want struct {
		ByAction map[string]float64 `json:"by_action"`
		Users    float64            `json:"users"`
	}
	r := openReal(t, "ecom", time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC), &want)
	require.Equal(t, want.ByAction, r.by("action", "sum by (action) (flowgauge_actions_total)"))
	require.InDelta(t, want.Users, r.one(`count(count by (user) (flowgauge_user_actions_total{user!=""}))`), 0)
}

func TestNextflowEqualsItsTotals(t *testing.T) {
	var want struct {
		Input     float64 `json:"input_bytes"`
		Output    float64 `json:"output_bytes"`
		Workflows map[string]struct {
			Duration float64 `json:"step_duration_ms_sum"`
			Steps    float64 `json:"steps"`
		} `json:"workflows"`
	}
	r := openReal(t, "nextflow", time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC), &want)
	require.InDelta(t, want.Input, r.one("sum(flowgauge_step_input_bytes_total)"), 0)
	require.InDelta(t, want.Output, r.one("sum(flowgauge_step_output_bytes_total)"), 0)
	steps := r.by("workflow", `sum by (workflow) (flowgauge_steps_total{status!="skipped"})`)
	durations := r.by("workflow", "sum by (workflow) (flowgauge_step_duration_seconds_sum)")
	native := r.by("workflow", "histogram_count(sum by (workflow) (flowgauge_step_duration_seconds))")
	require.Len(t, steps, len(want.Workflows))
	for name, w := range want.Workflows {
		require.InDelta(t, w.Steps, steps[name], 0, name)
		require.InDelta(t, w.Steps, native[name], 0, name)
		near(t, w.Duration/1000, durations[name], name)
	}
}
