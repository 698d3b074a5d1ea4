package app_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/dashboards"
)

// empty are the panels that may show nothing of the simulated platform, and why.
var empty = map[string]string{
	"Pending buckets": "the test waits until nothing is pending",
}

// Every panel of every dashboard gets what it asks for from the plugin's own
// binary and the database of 'flowgauge up': figures, in the frame that the panel
// can draw, in the catalogue's units.
func TestEveryPanelReturnsData(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	s.simulate("72h")
	s.refuse()
	s.budget()
	s.settle()
	d := newDatasource(t, s)

	all, err := dashboards.Load()
	require.NoError(t, err)
	now := time.Now()
	for _, board := range all {
		t.Run(board.File, func(t *testing.T) {
			values := d.variables(board, period(t, board.Time.From, now))
			for _, a := range board.Annotations.List {
				t.Run(a.Name, func(t *testing.T) { d.requireAnnotation(t, a, period(t, board.Time.From, now), values) })
			}
			for _, p := range board.AllPanels() {
				t.Run(p.Title, func(t *testing.T) {
					from := cmp.Or(p.TimeFrom, board.Time.From)
					d.requirePanel(t, p, period(t, from, now), values)
				})
			}
		})
	}
	t.Run("alert rules", func(t *testing.T) { d.requireRules(t, now) })
	t.Run("health", func(t *testing.T) {
		health := d.health()
		require.Equal(t, backend.HealthStatusOk, health.Status, health.Message)
		var details struct{ Warnings []string }
		require.NoError(t, json.Unmarshal(health.JSONDetails, &details))
		require.Empty(t, details.Warnings)
	})
	t.Run("catalogue", func(t *testing.T) {
		var got, want map[string]any
		d.resource("catalogue", nil, &got)
		require.Len(t, got["kinds"], len(query.Kinds())+2, "PromQL and SQL are the plugin's own")
		for _, own := range []string{"kinds", "macros", "unlisted", "exemplars"} {
			require.NotEmpty(t, got[own], own)
			delete(got, own)
		}
		text, err := json.Marshal(metric.All())
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &want))
		require.Equal(t, want, got)
	})
}

// simulate sends the history of a simulated platform.
func (s *server) simulate(history string) {
	s.t.Helper()
	cmd := exec.Command(program, "simulate", "--url", s.url, "--data-dir", s.dir, "--history", history, "--scale", "4")
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
}

// refuse sends what the collector must not take, and what it takes and shows: the
// same event in one request and in two, and an execution that ends twice. The platform
// sends nothing of the kind.
func (s *server) refuse() {
	s.t.Helper()
	status, body := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(
		`{"kind":"workflow","id":"x","source":"cron"}
{"kind":"execution","id":"x","source":"cron"}
{"kind":"cost","id":"x","timestamp":"1066-10-14T09:00:00Z","userId":"u","workflowId":"w","executionId":"e","actionType":"a","credits":1,"dollarAmount":1}
`))
	require.Equal(s.t, http.StatusBadRequest, status, "%s", body)
	ended := func(ago time.Duration) string {
		return fmt.Sprintf(`{"kind":"execution","id":"twice","source":"cron","timestamp":%q,"workflowId":"w","status":"completed","duration":1}`,
			time.Now().UTC().Add(-ago).Format(time.RFC3339)) + "\n"
	}
	again := ended(20 * time.Minute)
	for _, lines := range []string{again + again, again + ended(10*time.Minute)} {
		status, body = s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(lines))
		require.Equal(s.t, http.StatusAccepted, status, "%s", body)
	}
}

// budget makes a budget that a month's costs go beyond.
func (s *server) budget() {
	s.t.Helper()
	status, body := s.call(http.MethodPut, "/api/v1/analytics/costs/budgets", "application/json", strings.NewReader(
		`{"id":"everything","name":"Everything, monthly","owner":"ana","of":"dollars","amount":"1000","period":{"unit":"month","start":"2020-01-01"},"thresholds":[{"percent":50}]}`))
	require.Less(s.t, status, 300, "%s", body)
}

var since = regexp.MustCompile(`^(?:now-|(\+))?(\d+)([hdw])(/w)?$`)

// period resolves Grafana's words for a time, such as now-24h, or 12w/w: the
// beginning of the week twelve weeks ago. Periods end now, but +30d, which begins now.
func period(t *testing.T, from string, now time.Time) backend.TimeRange {
	t.Helper()
	m := since.FindStringSubmatch(from)
	require.NotNil(t, m, "%s: teach this test what it means", from)
	n, err := strconv.Atoi(m[2])
	require.NoError(t, err)
	long := time.Duration(n) * map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[3]]
	if m[1] != "" {
		return backend.TimeRange{From: now, To: now.Add(long)}
	}
	start := now.UTC().Add(-long)
	if m[4] != "" {
		start = start.Truncate(24*time.Hour).AddDate(0, 0, -int(start.Weekday()+6)%7)
	}
	return backend.TimeRange{From: start, To: now}
}

// variables sets a dashboard's variables: to All, or, where one value must be
// chosen, to the one with the most executions. The first might never fail.
func (d *datasource) variables(board dashboards.Dashboard, in backend.TimeRange) map[string]string {
	d.t.Helper()
	set := map[string]string{}
	for _, v := range board.Variables() {
		if v.Dimension() == "" {
			continue
		}
		var answer struct{ Values []string }
		d.resource("values", url.Values{
			"dimension": {v.Dimension()}, "from": {strconv.FormatInt(in.From.UnixMilli(), 10)}, "to": {strconv.FormatInt(in.To.UnixMilli(), 10)},
		}, &answer)
		require.NotEmpty(d.t, answer.Values, "%s: the variable %s has no values", board.File, v.Name)
		set["${"+v.Name+"}"] = "$__all"
		if !v.IncludeAll {
			busiest := d.busiest(v.Dimension(), in)
			require.Contains(d.t, answer.Values, busiest)
			set["${"+v.Name+"}"] = busiest
		}
	}
	return set
}

func (d *datasource) busiest(dimension string, in backend.TimeRange) string {
	d.t.Helper()
	model := fmt.Sprintf(`{"metrics":["executions"],"granularity":"none","format":"table","groupBy":[%q],"limit":1}`, dimension)
	answer := d.query(backend.DataQuery{RefID: "A", TimeRange: in, JSON: json.RawMessage(model)})["A"]
	require.NoError(d.t, answer.Error)
	field, _ := answer.Frames[0].FieldByName(dimension)
	require.NotNil(d.t, field)
	name, ok := field.ConcreteAt(0)
	require.True(d.t, ok)
	return name.(string)
}

// requireAnnotation wants the columns that Grafana makes annotations of.
func (d *datasource) requireAnnotation(t *testing.T, a dashboards.Annotation, in backend.TimeRange, values map[string]string) {
	t.Helper()
	model := map[string]any{"queryType": a.Target.QueryType, "version": a.Target.Version, "params": a.Target.Params, "limit": *a.Target.Limit, "format": a.Target.Format}
	var filters []dashboards.Filter
	for _, f := range a.Target.Filters {
		filters = append(filters, dashboards.Filter{Dimension: f.Dimension, Operator: f.Operator, Values: []string{values[f.Values[0]]}})
	}
	model["filters"] = filters
	text, err := json.Marshal(model)
	require.NoError(t, err)
	answer := d.query(backend.DataQuery{RefID: a.Target.RefID, TimeRange: in, JSON: text})[a.Target.RefID]
	require.NoError(t, answer.Error)
	var names []string
	for _, f := range answer.Frames[0].Fields {
		names = append(names, f.Name)
	}
	require.Subset(t, names, []string{"time", "timeEnd", "title", "text", "tags"})
}

// requirePanel asks all that a panel asks at once, as Grafana does.
func (d *datasource) requirePanel(t *testing.T, p dashboards.Panel, in backend.TimeRange, values map[string]string) {
	t.Helper()
	const points = 1000
	queries := make([]backend.DataQuery, len(p.Targets))
	for i, target := range p.Targets {
		target.Filters = slices.Clone(target.Filters)
		for j, f := range target.Filters {
			f.Values = slices.Clone(f.Values)
			for k, v := range f.Values {
				if value, ok := values[v]; ok {
					f.Values[k] = value
				}
			}
			target.Filters[j] = f
		}
		model, err := json.Marshal(target)
		require.NoError(t, err)
		queries[i] = backend.DataQuery{
			RefID: target.RefID, QueryType: target.QueryType, TimeRange: in, JSON: model,
			MaxDataPoints: points, Interval: in.Duration() / points,
		}
	}
	answers := d.query(queries...)
	require.Len(t, answers, len(queries))
	for _, target := range p.Targets {
		answer := answers[target.RefID]
		require.NoError(t, answer.Error)
		require.NotEmpty(t, answer.Frames)
		for _, f := range answer.Frames {
			requireShape(t, target, f)
		}
		if _, ok := empty[p.Title]; !ok {
			requireFigures(t, target, answer.Frames)
			requireOverridden(t, p, target, answer.Frames)
		}
	}
}

// requireOverridden checks that a panel's overrides go by the names that the fields of a kind's
// answer have. Those of metrics are the catalogue's.
func requireOverridden(t *testing.T, p dashboards.Panel, target dashboards.Target, frames data.Frames) {
	t.Helper()
	if target.QueryType == "metrics" {
		return
	}
	var names []string
	for _, f := range frames[0].Fields {
		if f.Config != nil {
			names = append(names, f.Config.DisplayNameFromDS)
		}
	}
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID == "byName" {
			assert.Contains(t, names, o.Matcher.Options)
		}
	}
}

// requireShape checks that a frame is what its meta data says and the target asked for.
func requireShape(t *testing.T, target dashboards.Target, f *data.Frame) {
	t.Helper()
	require.NotNil(t, f.Meta)
	want := data.FrameTypeTimeSeriesMulti
	switch {
	case target.QueryType == "forecast":
		want = data.FrameTypeTimeSeriesWide
	case target.QueryType != "metrics":
		want = data.FrameTypeTable
	case target.Granularity == "none":
		want = data.FrameTypeNumericLong
	case target.Format == "table":
		want = data.FrameTypeTimeSeriesLong
	}
	require.Equal(t, want, f.Meta.Type)
	require.Equal(t, data.FrameTypeVersion{0, 1}, f.Meta.TypeVersion)
	if want == data.FrameTypeTimeSeriesMulti {
		require.Len(t, f.Fields, 2)
		require.True(t, f.Fields[0].Type().Time())
		require.True(t, f.Fields[1].Type().Numeric())
	}
}

// requireFigures checks that there is something to see of everything asked for,
// and that it has names and units.
func requireFigures(t *testing.T, target dashboards.Target, frames data.Frames) {
	t.Helper()
	units := map[string]string{}
	for _, name := range target.Metrics {
		m, ok := metric.Lookup(name)
		require.True(t, ok)
		units[name] = m.Unit
		if target.Compare != "" {
			units[name+"_previous"] = m.Unit
		}
	}
	if target.QueryType != "metrics" {
		units = kindUnits[target.QueryType]
	}
	shown := map[string]bool{}
	for _, f := range frames {
		require.Positive(t, f.Rows())
		for _, field := range f.Fields {
			if field.Type().Time() && target.Format != "table" {
				continue
			}
			require.NotNil(t, field.Config, field.Name)
			assert.NotEmpty(t, field.Config.DisplayNameFromDS, field.Name)
			if field.Type().Numeric() {
				unit, known := units[field.Name]
				require.True(t, known, "nobody asked for %s", field.Name)
				assert.Equal(t, unit, field.Config.Unit, field.Name)
				shown[field.Name] = shown[field.Name] || figures(t, field)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		// Three days have no previous month, and what they say of the next may be no more than 0. The
		// simulated platform has no plugins.
		if name != "events_added" && !strings.HasSuffix(name, "_previous") && !strings.HasPrefix(name, "lower_") {
			assert.True(t, shown[name], "%s is nothing or 0 all over", name)
		}
	}
}

// kindUnits are the units of the figures of the kinds beside metrics, as they are in all answers
// of the simulated platform.
var kindUnits = map[string]map[string]string{
	"errors": {"count": "short", "share": "percentunit", "workflows": "short", "users": "short"},
	"bottlenecks": {
		"on_path": "short", "share": "percentunit", "queue_share": "percentunit", "retry_share": "percentunit", "run_share": "percentunit", "retries": "short",
		"saving_avg_ms": "ms", "saving_p95_ms": "ms", "saving_total_ms": "ms",
	},
	"forecast": {"value": usd, "forecast": usd, "lower_80": usd, "upper_80": usd, "lower_95": usd, "upper_95": usd},
	"budgets":  {"percent": "percent", "amount": "", "spent": "", "forecast": ""},
}

const usd = "currencyUSD"

// figures says whether a field has any other than 0.
func figures(t *testing.T, field *data.Field) bool {
	t.Helper()
	for i := range field.Len() {
		v, err := field.NullableFloatAt(i)
		require.NoError(t, err)
		if v != nil && *v != 0 {
			return true
		}
	}
	return false
}
