package plugin

import (
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// anomaliesLook is how a graph draws judgements: what was as the panel has it, what is usual
// as a band, and what is not as points.
var anomaliesLook = map[string]look{
	"expected": {"Expected", map[string]any{"lineStyle": map[string]any{"fill": "dash", "dash": []int{8, 6}}, "fillOpacity": 0, "showPoints": "never"}},
	"lower":    {"Usual, from", map[string]any{"lineWidth": 0, "showPoints": "never", "fillOpacity": 0, "hideFrom": hiddenInLegend}},
	"upper":    {"Usual", map[string]any{"lineWidth": 0, "showPoints": "never", "fillBelowTo": "lower", "fillOpacity": 15}},
	"anomaly":  {"Unusual", map[string]any{"drawStyle": "points", "showPoints": "always", "pointSize": 9}},
}

// anomaliesFrame is what was and what would have been usual on one time axis. How unusual it
// is, and why, has no place there: the table has it.
func anomaliesFrame(result *query.Result) *data.Frame {
	f := result.Frame
	f.Fields = slices.DeleteFunc(f.Fields, func(field *data.Field) bool { return field.Name == "score" || field.Name == "reason" })
	name := ""
	if result.Meta.Anomalies != nil {
		name = result.Meta.Anomalies.Metric
	}
	f = drawn(f, name, anomaliesLook)
	if unusual, _ := f.FieldByName("anomaly"); unusual != nil {
		config(unusual).Color = map[string]any{"mode": "fixed", "fixedColor": "red"}
	}
	return f
}
