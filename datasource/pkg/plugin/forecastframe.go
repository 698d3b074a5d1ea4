package plugin

import (
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// forecastLook is how a graph draws a field of a forecast: what was as the panel has
// it, what is expected as a broken line, and each interval as a band.
var forecastLook = map[string]struct {
	title  string
	custom map[string]any
}{
	"forecast": {"Forecast", map[string]any{"lineStyle": map[string]any{"fill": "dash", "dash": []int{8, 6}}, "fillOpacity": 0}},
	"lower_80": {"80 % interval, from", map[string]any{"lineWidth": 0, "showPoints": "never", "fillOpacity": 0, "hideFrom": hiddenInLegend}},
	"upper_80": {"80 % interval", map[string]any{"lineWidth": 0, "showPoints": "never", "fillBelowTo": "lower_80", "fillOpacity": 25}},
	"lower_95": {"95 % interval, from", map[string]any{"lineWidth": 0, "showPoints": "never", "fillOpacity": 0, "hideFrom": hiddenInLegend}},
	"upper_95": {"95 % interval", map[string]any{"lineWidth": 0, "showPoints": "never", "fillBelowTo": "lower_95", "fillOpacity": 12}},
}

var hiddenInLegend = map[string]bool{"legend": true, "tooltip": false, "viz": false}

// forecastFrame is what was and what is expected on one time axis.
func forecastFrame(result *query.Result) *data.Frame {
	f := result.Frame
	for _, field := range f.Fields {
		if field.Name == "value" && result.Meta.Forecast != nil {
			if m, ok := metric.Lookup(result.Meta.Forecast.Metric); ok {
				config(field).DisplayNameFromDS = m.Title
			}
		}
		if look, ok := forecastLook[field.Name]; ok {
			config(field).DisplayNameFromDS = look.title
			config(field).Custom = look.custom
		}
	}
	shape(f, data.FrameTypeTimeSeriesWide, data.VisTypeGraph)
	return f
}
