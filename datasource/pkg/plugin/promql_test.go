package plugin

import (
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"
)

func TestPromQL(t *testing.T) {
	store, day := newStore(t)
	g := grafanaOn(t, store, nil)
	got := g.query(day, map[string]string{
		"series":  `{"queryType":"promql","expr":"sum by (workflow) (flowgauge_executions_total)","alias":"{{workflow}}!"}`,
		"plain":   `{"queryType":"promql","expr":"flowgauge_executions_total{workflow=\"mail\"} "}`,
		"window":  `{"queryType":"promql","expr":"sum(increase(flowgauge_executions_total[$__range]))","format":"table"}`,
		"table":   `{"queryType":"promql","expr":"sum by (workflow) (flowgauge_executions_total)","format":"table"}`,
		"one":     `{"queryType":"promql","expr":"1 + 1","format":"table"}`,
		"heatmap": `{"queryType":"promql","expr":"sum(increase(flowgauge_execution_duration_seconds[1h]))","format":"heatmap"}`,
		"nothing": `{"queryType":"promql","expr":"flowgauge_executions_total{workflow=\"gone\"}"}`,

		"no query":   `{"queryType":"promql"}`,
		"filtered":   `{"queryType":"promql","expr":"1","filters":[{"dimension":"user","operator":"in","values":["a"]}]}`,
		"syntax":     `{"queryType":"promql","expr":"sum("}`,
		"text":       `{"queryType":"promql","expr":"\"a\"","format":"table"}`,
		"histograms": `{"queryType":"promql","expr":"flowgauge_execution_duration_seconds"}`,
		"numbers":    `{"queryType":"promql","expr":"flowgauge_executions_total{workflow=\"mail\"}","format":"heatmap"}`,
		"several":    `{"queryType":"promql","expr":"flowgauge_execution_duration_seconds","format":"heatmap"}`,
	})
	for refID, want := range map[string]string{
		"no query": "expr: there is no query", "syntax": "parse error", "filtered": "put variables into its matchers", "text": "it gives a string",
		"histograms": "histogram_quantile", "numbers": "shows histograms", "several": "add them up",
	} {
		require.ErrorContains(t, got[refID].Error, want, refID)
		require.Equal(t, backend.StatusBadRequest, got[refID].Status, refID)
		delete(got, refID)
	}
	for refID, r := range got {
		require.NoError(t, r.Error, refID)
	}
	last := func(f *data.Frame) any {
		v, _ := f.Fields[1].ConcreteAt(f.Rows() - 1)
		return v
	}
	series := map[string]any{}
	for _, f := range got["series"].Frames {
		require.Equal(t, data.FrameTypeTimeSeriesMulti, f.Meta.Type)
		require.Equal(t, f.Fields[1].Labels["workflow"]+"!", f.Fields[1].Config.DisplayNameFromDS)
		series[f.Fields[1].Labels["workflow"]] = last(f)
	}
	require.Equal(t, map[string]any{"sync": 144.0, "mail": 48.0}, series)
	require.Contains(t, got["series"].Frames[0].Meta.ExecutedQueryString, "step: ")
	require.Equal(t, `{__name__="flowgauge_executions_total", error_type="Timeout", status="failed", version="1", workflow="mail"}`, got["plain"].Frames[0].Fields[1].Config.DisplayNameFromDS)
	require.Equal(t, `sum(increase(flowgauge_executions_total[86400s]))`, got["window"].Frames[0].Meta.ExecutedQueryString)

	table := got["table"].Frames[0]
	require.Equal(t, data.FrameTypeNumericLong, table.Meta.Type)
	require.Equal(t, []any{"mail", 48.0}, row(t, table, 0))
	require.Equal(t, []any{2.0}, row(t, got["one"].Frames[0], 0))
	require.Empty(t, got["nothing"].Frames[0].Fields)

	heatmap := got["heatmap"].Frames[0]
	require.EqualValues(t, "heatmap-cells", heatmap.Meta.Type)
	require.Positive(t, heatmap.Rows())
	require.Less(t, column[float64](t, heatmap, "yMin")[0], 1500.0)
	require.GreaterOrEqual(t, column[float64](t, heatmap, "yMax")[0], 1500.0)
}

func TestEditorsCompleteByPrometheusInterface(t *testing.T) {
	store, _ := newStore(t)
	g := grafanaOn(t, store, nil)
	var values struct{ Data []string }
	status, _ := g.get("prometheus/api/v1/label/workflow/values", &values)
	require.Equal(t, 200, status)
	require.Equal(t, []string{"mail", "sync"}, values.Data)
	var about struct {
		Data map[string][]struct{ Type, Help string }
	}
	g.get("prometheus/api/v1/metadata", &about)
	require.Equal(t, "counter", about.Data["flowgauge_executions_total"][0].Type)
}

func TestVariablesOfResolution(t *testing.T) {
	for text, want := range map[string]string{
		"rate(x[$__rate_interval])":            "rate(x[360s])",
		"rate(x[${__rate_interval}])":          "rate(x[360s])",
		"x[$__interval] + $__interval_ms":      "x[300s] + 300000",
		"x[$__range] + $__range_s $__range_ms": "x[3600s] + 3600 3600000",
		"$__intervals $_interval $other":       "$__intervals $_interval $other",
	} {
		require.Equal(t, want, expand(text, 5*time.Minute, time.Hour), text)
	}
	require.Equal(t, "240s", expand("$__rate_interval", time.Minute, 0))
	for _, test := range []struct{ period, interval, want time.Duration }{
		{time.Hour, time.Second, time.Minute},
		{time.Hour, 90 * time.Second, 2 * time.Minute},
		{1500 * time.Hour, time.Second, time.Hour},
		{0, 0, time.Minute},
	} {
		require.Equal(t, test.want, stepOf(backend.DataQuery{Interval: test.interval, TimeRange: backend.TimeRange{To: time.Time{}.Add(test.period)}}))
	}
}
