package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"
)

// requireSameFromPlugin asks Grafana's datasource what the REST API was asked, and
// requires the same rows. Its figures are float64, as Grafana's are.
func requireSameFromPlugin(t *testing.T, d *datasource, requests map[string]string, answers map[string][]row) {
	t.Helper()
	for name, request := range requests {
		var model map[string]any
		require.NoError(t, json.Unmarshal([]byte(request), &model))
		in := backend.TimeRange{From: moment(t, model["from"]), To: moment(t, model["to"])}
		var asked struct{ GroupBy []string }
		require.NoError(t, json.Unmarshal([]byte(request), &asked))
		delete(model, "from")
		delete(model, "to")
		if model["granularity"] == nil {
			model["granularity"] = "none"
		}
		model["format"], model["limit"] = "table", 1000 // else the first ten groups
		text, err := json.Marshal(model)
		require.NoError(t, err)
		answer := d.query(backend.DataQuery{RefID: "A", TimeRange: in, JSON: text})["A"]
		require.NoError(t, answer.Error, name)
		require.Len(t, answer.Frames, 1, name)
		frame := answer.Frames[0]
		require.Equal(t, len(answers[name]), frame.Rows(), name)
		key := append([]string{"time"}, asked.GroupBy...) // Rows may be in another order.
		got := map[string]row{}
		for i := range frame.Rows() {
			r := row{}
			for _, f := range frame.Fields {
				value, ok := f.ConcreteAt(i)
				require.True(t, ok, "%s: %s of row %d has no value", name, f.Name, i)
				if at, ok := value.(time.Time); ok {
					value = at.UTC().Format(time.RFC3339)
				}
				r[f.Name] = value
			}
			got[keyOf(r, key)] = r
		}
		for _, want := range answers[name] {
			r := got[keyOf(want, key)]
			for column, value := range want {
				if column == "partial" {
					continue // Frames say so in a notice.
				}
				requireSameValue(t, value, r[column], fmt.Sprintf("%s: %s of %v", name, column, want))
			}
		}
	}
}

func keyOf(r row, columns []string) string {
	var key []any
	for _, c := range columns {
		key = append(key, r[c])
	}
	return fmt.Sprint(key...)
}

// requireSameValue compares a value of JSON with one of a frame.
func requireSameValue(t *testing.T, want, got any, what string) {
	t.Helper()
	if number, ok := got.(float64); ok {
		text, isText := want.(string) // exact amounts are
		if !isText {
			text = want.(json.Number).String()
		}
		figure, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err, what)
		require.InDelta(t, figure, number, 1e-12*math.Abs(figure), what)
		return
	}
	require.Equal(t, want, got, what)
}

func moment(t *testing.T, value any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, value.(string))
	require.NoError(t, err)
	return at
}

// requireCountedByPromQL asks for the figures of the loans when they had all ended and
// nothing else had begun: counters of what came later are 0 then. The other data sets are asked about in backend/promql.
func requireCountedByPromQL(t *testing.T, s *server, want map[string]any) {
	t.Helper()
	by := func(label, expr string) map[string]float64 {
		status, body := s.call(http.MethodGet, "/prometheus/api/v1/query?"+url.Values{"query": {expr}, "time": {"2012-05-01T00:00:00Z"}}.Encode(), "", nil)
		require.Equal(t, http.StatusOK, status, "%s\n%s", expr, body)
		var answer struct {
			Data struct {
				Result []struct {
					Metric map[string]string
					Value  [2]any
				}
			}
		}
		require.NoError(t, json.Unmarshal(body, &answer))
		out := map[string]float64{}
		for _, series := range answer.Data.Result {
			figure, err := strconv.ParseFloat(series.Value[1].(string), 64)
			require.NoError(t, err)
			out[series.Metric[label]] = figure
		}
		return out
	}
	figure := func(value any) float64 {
		n, err := value.(json.Number).Float64()
		require.NoError(t, err)
		return n
	}
	figures := func(of map[string]any) map[string]float64 {
		out := map[string]float64{}
		for name, value := range of {
			out[name] = figure(value)
		}
		return out
	}
	near := func(want, got float64, what string) { // sums of float64, in seconds
		require.InDelta(t, want, got, 1e-9*math.Abs(want), what)
	}
	executions := figures(want["executions"].(map[string]any))
	require.Equal(t, map[string]float64{"": executions["started"]}, by("", "sum(flowgauge_executions_started_total)"))
	delete(executions, "started")
	require.Equal(t, executions, by("status", "sum by (status) (flowgauge_executions_total)"))
	near(figure(want["duration_ms_sum_terminal"])/1000, by("", "sum(flowgauge_execution_duration_seconds_sum)")[""], "durations")
	require.Equal(t, figures(want["errors"].(map[string]any)), by("error_type", `sum by (error_type) (flowgauge_executions_total{status="failed"})`))
	require.Equal(t, map[string]float64{"": figure(want["activity_users"])}, by("", `count(count by (user) (flowgauge_user_actions_total{user!=""} > 0))`))
	counts, durations := by("step", `sum by (step) (flowgauge_steps_total{status!="skipped"}) > 0`), by("step", "histogram_sum(sum by (step) (flowgauge_step_duration_seconds))")
	steps := want["steps"].(map[string]any)
	require.ElementsMatch(t, slices.Collect(maps.Keys(steps)), slices.Collect(maps.Keys(counts)))
	for name, value := range steps {
		step := figures(value.(map[string]any))
		near(step["count"], counts[name], name)
		near(step["duration_ms_sum"]/1000, durations[name], name)
	}
}
