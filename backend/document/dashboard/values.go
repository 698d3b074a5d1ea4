package dashboard

import (
	"encoding/json"
	"strconv"
	"time"
)

// widgetOf names the widgets of Grafana's panels, panelOf the panels that new widgets become.
var (
	widgetOf = map[string]string{
		"timeseries": "line", "graph": "line", "barchart": "bar", "bargauge": "bar", "histogram": "bar", "piechart": "pie",
		"stat": "metric", "gauge": "metric", "table": "table", "heatmap": "heatmap",
	}
	panelOf = map[string]string{
		"line": "timeseries", "bar": "barchart", "pie": "piechart", "metric": "stat", "table": "table", "heatmap": "heatmap",
	}
)

// Types are the types of widgets.
var Types = []string{"line", "bar", "pie", "metric", "table", "heatmap"}

// say puts a text where another one is said; none and an empty one are the same.
func say(o object, name, value string) {
	if text(o[name]) != value {
		o[name] = value
	}
}

// text is a text or a number as it is written; of all else it is empty.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// whole is a whole number; of all else it is 0.
func whole(v any) int64 {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case json.Number:
		n, err := v.Int64()
		if err == nil {
			return n
		}
	case float64:
		return int64(v)
	}
	return 0
}

// seconds reads how often a dashboard refreshes: 30s, 5m, 1d; false and nothing are never.
func seconds(v any) int64 {
	s := text(v)
	if n := len(s); n > 1 && s[n-1] == 'd' {
		days, err := strconv.ParseInt(s[:n-1], 10, 32)
		if err != nil || days < 0 {
			return 0
		}
		return days * 24 * 60 * 60
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0
	}
	return int64(d / time.Second)
}

func interval(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return strconv.FormatInt(seconds, 10) + "s"
}
