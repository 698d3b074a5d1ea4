package plugin

import (
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// look is how a graph draws a field.
type look struct {
	title  string
	custom map[string]any
}

// forecastLook is that of a forecast: what was as the panel has it, what is expected as a
// broken line, and each interval as a band.
var forecastLook = map[string]look{
	"forecast": {"Forecast", map[string]any{"lineStyle": map[string]any{"fill": "dash", "dash": []int{8, 6}}, "fillOpacity": 0}},
	"lower_80": {"80 % interval, from", map[string]any{"lineWidth": 0, "showPoints": "never", "fillOpacity": 0, "hideFrom": hiddenInLegend}},
	"upper_80": {"80 % interval", map[string]any{"lineWidth": 0, "showPoints": "never", "fillBelowTo": "lower_80", "fillOpacity": 25}},
	"lower_95": {"95 % interval, from", map[string]any{"lineWidth": 0, "showPoints": "never", "fillOpacity": 0, "hideFrom": hiddenInLegend}},
	"upper_95": {"95 % interval", map[string]any{"lineWidth": 0, "showPoints": "never", "fillBelowTo": "lower_95", "fillOpacity": 12}},
}

var hiddenInLegend = map[string]bool{"legend": true, "tooltip": false, "viz": false}

// forecastFrame is what was and what is expected on one time axis.
func forecastFrame(result *query.Result) *data.Frame {
	metricName := ""
	if result.Meta.Forecast != nil {
		metricName = result.Meta.Forecast.Metric
	}
	return drawn(result.Frame, metricName, forecastLook)
}

// noForecast is what a panel gets while there is too little to forecast from, which is how
// every installation begins: no data, and why.
func noForecast(reason error) data.Frames {
	f := data.NewFrame("")
	shape(f, data.FrameTypeTimeSeriesWide, data.VisTypeGraph)
	f.Meta.Notices = []data.Notice{{Severity: data.NoticeSeverityInfo, Text: reason.Error()}}
	return data.Frames{f}
}

// drawn is a frame with the title of its metric, as a graph that looks so.
func drawn(f *data.Frame, metricName string, looks map[string]look) *data.Frame {
	for _, field := range f.Fields {
		if field.Name == "value" {
			if m, ok := metric.Lookup(metricName); ok {
				config(field).DisplayNameFromDS = m.Title
			}
		}
		if l, ok := looks[field.Name]; ok {
			config(field).DisplayNameFromDS = l.title
			config(field).Custom = l.custom
		}
	}
	shape(f, data.FrameTypeTimeSeriesWide, data.VisTypeGraph)
	return f
}
