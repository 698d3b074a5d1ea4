package query

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/metric"
)

var update = flag.Bool("update", false, "rewrite golden files")

// offline is an engine that must not be asked to run anything.
func offline(t *testing.T, now time.Time) *Engine {
	t.Helper()
	client, err := clickhouse.New(clickhouse.Config{Addr: "127.0.0.1:1", Database: "none"})
	require.NoError(t, err)
	e, err := New(Config{Client: client, Now: func() time.Time { return now }})
	require.NoError(t, err)
	return e
}

// statements plans and renders what a request would run first.
func statements(t *testing.T, e *Engine, p access.Principal, r Request, pending pendingMinutes) string {
	t.Helper()
	q, err := e.check(p, r)
	require.NoError(t, err)
	w := &run{e: e, pending: pending, levels: map[string]bool{}}
	out := ""
	for _, s := range q.sources {
		o := ordering{limit: e.limits.Rows + 1}
		if q.limit > 0 && q.granularity == Whole {
			o = ordering{by: q.formulas[q.order].order, descending: q.descending, limit: q.limit + 1}
		}
		st := w.render(q, s, q.calendar(), o)
		params, err := json.MarshalIndent(st.params, "", "  ")
		require.NoError(t, err)
		out += fmt.Sprintf("-- %s\n%s\n\n%s\n\n", s, st.sql, params)
	}
	return out
}

func TestRendersExactly(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	viewer := access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	for _, tc := range []struct {
		name    string
		p       access.Principal
		r       Request
		pending pendingMinutes
	}{
		{name: "days_by_workflow", p: admin, r: Request{
			Metrics: []string{"executions", "success_rate", "duration_p95"}, From: day(1), To: day(31), Granularity: Day, GroupBy: []string{"workflow"},
		}},
		{name: "hours_in_berlin_with_edges", p: admin, r: Request{
			Metrics: []string{"executions_started"}, From: day(28).Add(90 * time.Second), To: day(30).Add(time.Millisecond), Granularity: Hour, TimeZone: "Europe/Berlin",
		}},
		{name: "months_in_new_york", p: admin, r: Request{
			Metrics: []string{"dollars", "dollars_credited"}, From: day(1), To: day(31), Granularity: Month, TimeZone: "America/New_York",
		}},
		{name: "viewer_top_steps", p: viewer, r: Request{
			Metrics: []string{"step_duration_p99", "steps"}, From: day(1), To: day(2).Add(5 * time.Minute), GroupBy: []string{"step", "version"}, Limit: 3,
			Filters: []Filter{{"workflow", In, []string{"it's"}}, {"version", NotIn, []string{"0"}}},
		}},
		{
			name: "unsettled_minute", p: admin, r: Request{Metrics: []string{"actions", "active_users"}, From: day(1), To: day(2)},
			pending: pendingMinutes{"activity": {day(1).Unix() + 3600}},
		},
		{name: "running_whole", p: admin, r: Request{Metrics: []string{"executions_running"}, From: day(1), To: day(2), GroupBy: []string{"workflow"}}},
		{name: "running_hours", p: viewer, r: Request{Metrics: []string{"executions_running"}, From: day(1), To: day(2), Granularity: Hour}},
		{name: "sessions", p: admin, r: Request{Metrics: []string{"sessions", "active_time"}, From: day(1), To: day(2), GroupBy: []string{"user"}}},
		{name: "ingest", p: admin, r: Request{Metrics: []string{"events_stored", "ingest_lag_max"}, From: day(1), To: day(2), GroupBy: []string{"event_kind"}}},
		{name: "visible", p: admin, r: Request{
			Metrics: []string{"events_visible", "events_replaced"}, From: day(1), To: day(2), Granularity: Hour, GroupBy: []string{"source"},
			Filters: []Filter{{"event_kind", In, []string{"step"}}},
		}},
		{name: "conflicts", p: admin, r: Request{Metrics: []string{"execution_conflicts", "execution_conflict_span"}, From: day(1), To: day(2), GroupBy: []string{"execution", "workflow"}, Limit: 10}},
		{name: "dead_letters", p: admin, r: Request{Metrics: []string{"dead_letters"}, From: day(1), To: day(2), Granularity: Hour, GroupBy: []string{"reject_code"}}},
		{name: "cost_per_execution", p: admin, r: Request{Metrics: []string{"dollars_per_execution"}, From: day(1), To: day(2), GroupBy: []string{"workflow"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := statements(t, offline(t, day(20)), tc.p, tc.r, tc.pending)
			golden := filepath.Join("testdata", tc.name+".sql")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "run go test ./backend/query -run TestRendersExactly -update")
			require.Equal(t, string(want), got)
		})
	}
}

// What a caller writes is bound or refused: it never becomes SQL.
func TestValuesNeverBecomeSQL(t *testing.T) {
	e := offline(t, time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC))
	base := Request{
		Metrics: []string{"executions", "executing_users"}, From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		GroupBy: []string{"workflow"}, Filters: []Filter{{"workflow", In, []string{"x"}}},
	}
	sql := func(p access.Principal, r Request) string {
		q, err := e.check(p, r)
		require.NoError(t, err)
		q.groups = &groups{dims: []string{"workflow"}, values: [][]string{{r.Filters[0].Values[0]}}}
		w := &run{e: e, levels: map[string]bool{}}
		return w.render(q, q.sources[0], q.calendar(), ordering{limit: 1}).sql
	}
	for _, evil := range []string{
		"' OR 1=1 --", `\' OR 1=1`, "{p0:String}", "); DROP TABLE executions; --", "\x00", "`", "'''", "${x}", "\u2019 OR 1=1", "\n\t",
	} {
		r := base
		r.Filters = []Filter{{"workflow", In, []string{evil}}}
		require.Equal(t, sql(admin, base), sql(admin, r))
		viewer := func(id string) access.Principal {
			return access.Principal{Tenant: id, Role: access.RoleViewer, UserID: id}
		}
		require.Equal(t, sql(viewer("x"), base), sql(viewer(evil), base))

		for _, change := range []func(*Request){
			func(r *Request) { r.Metrics = []string{evil} },
			func(r *Request) { r.GroupBy = []string{evil} },
			func(r *Request) { r.OrderBy = evil },
			func(r *Request) { r.TimeZone = evil },
			func(r *Request) { r.Granularity = Granularity(evil) },
			func(r *Request) { r.Compare = Compare(evil) },
			func(r *Request) { r.Filters = []Filter{{evil, In, []string{"x"}}} },
			func(r *Request) { r.Filters = []Filter{{"workflow", Operator(evil), []string{"x"}}} },
			func(r *Request) { r.Filters = []Filter{{"version", In, []string{evil}}} },
		} {
			r := base
			change(&r)
			_, err := e.check(admin, r)
			var wrong *RequestError
			require.ErrorAs(t, err, &wrong)
			require.NotEmpty(t, wrong.Param)
		}
	}
}

func TestEveryMetricHasAFormula(t *testing.T) {
	names := map[string]bool{}
	for _, m := range metric.All().Metrics {
		f, ok := formulas[m.Name]
		require.True(t, ok, m.Name)
		require.Equal(t, m.Exact, f.exact != nil, m.Name)
		require.NotEqual(t, f.exact == nil, f.value == nil, m.Name)
		for _, n := range f.needs {
			require.Contains(t, m.Sources, n.source, m.Name)
			require.Contains(t, aggregatesOf(n.source), n.name, m.Name)
		}
		for _, s := range m.Sources {
			for _, d := range m.Dimensions {
				if d == metric.Team {
					d = metric.User // whose teams the directory knows
				}
				if _, detail := rollupSources[s].detail[d]; !detail && !isClock(d) {
					require.Contains(t, dimensionsOf(s), d, m.Name)
				}
			}
		}
		names[m.Name] = true
	}
	for name := range formulas {
		require.True(t, names[name], "%s is not in the catalogue", name)
	}
}
