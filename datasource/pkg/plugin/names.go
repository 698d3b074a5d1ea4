package plugin

import (
	"regexp"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

const previousSuffix = "_previous"

var comparisons = map[query.Compare]string{
	query.PreviousPeriod: "previous period",
	query.PreviousDay:    "previous day",
	query.PreviousWeek:   "previous week",
	query.PreviousMonth:  "previous month",
	query.PreviousYear:   "previous year",
}

// splitPrevious returns the metric of a field and whether the field holds the
// compared period's figures.
func splitPrevious(field string) (name string, previous bool) {
	if _, known := metric.Lookup(field); known {
		return field, false
	}
	return strings.CutSuffix(field, previousSuffix)
}

// columnTitle is a table column's heading.
func columnTitle(field string, compare query.Compare) string {
	if field == data.TimeSeriesTimeFieldName || field == "time" {
		return "Time"
	}
	if d, ok := metric.LookupDimension(field); ok {
		return d.Title
	}
	name, previous := splitPrevious(field)
	title := metricTitle(name)
	if previous {
		title += suffix(compare)
	}
	return title
}

func metricTitle(name string) string {
	if m, ok := metric.Lookup(name); ok {
		return m.Title
	}
	return name
}

func suffix(compare query.Compare) string {
	return " (" + orDefault(comparisons[compare], comparisons[query.PreviousPeriod]) + ")"
}

// namer names the series of one query.
type namer struct {
	alias   string
	groupBy []string
	metrics int
	compare query.Compare
}

var placeholder = regexp.MustCompile(`\{\{\s*([\w.]+)\s*\}\}`)

// series is the name of one series in a legend. By itself it has what tells the
// series apart: the group, and the metric where there are several.
func (n namer) series(field string, labels data.Labels) string {
	name, previous := splitPrevious(field)
	var text string
	switch {
	case n.alias != "":
		text = placeholder.ReplaceAllStringFunc(n.alias, func(found string) string {
			key := placeholder.FindStringSubmatch(found)[1]
			if key == "metric" {
				return metricTitle(name)
			}
			if value, ok := labels[key]; ok {
				return groupValue(value)
			}
			return found // an unknown name shows itself, so that its author sees it
		})
	case len(n.groupBy) == 0:
		text = metricTitle(name)
	default:
		values := make([]string, len(n.groupBy))
		for i, d := range n.groupBy {
			values[i] = groupValue(labels[d])
		}
		text = strings.Join(values, ", ")
		if n.metrics > 1 {
			text += ": " + metricTitle(name)
		}
	}
	if previous {
		text += suffix(n.compare)
	}
	return text
}

// groupValue gives the group of events without a value something to be seen by.
func groupValue(value string) string { return orDefault(value, "(none)") }
