package plugin

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// withoutEmptyGroups leaves out groups in which nothing was counted: failures by
// error type have one of everything that did not fail, at 0. A group stays where
// any of its figures is something, in any bucket and in either period. All stay
// where a metric is not a count (amounts may cancel each other out, a rate of 0 says
// something), and where the lowest were asked for, which may be 0.
func withoutEmptyGroups(f *data.Frame, r query.Request) *data.Frame {
	if len(r.GroupBy) == 0 || r.Ascending || slices.ContainsFunc(r.Metrics, func(name string) bool { return !isCount(name) }) {
		return f
	}
	keys, some := make([]string, f.Rows()), map[string]bool{}
	for row := range keys {
		var key strings.Builder
		counted := false
		for _, field := range f.Fields {
			switch v := field.At(row).(type) {
			case string:
				key.WriteString(strconv.Quote(v))
			case *float64:
				counted = counted || (v != nil && *v != 0)
			}
		}
		keys[row] = key.String()
		some[keys[row]] = some[keys[row]] || counted
	}
	if !slices.Contains(slices.Collect(maps.Values(some)), false) {
		return f
	}
	out := f.EmptyCopy()
	for i, field := range f.Fields {
		out.Fields[i].Config = field.Config
	}
	for row, key := range keys {
		if some[key] {
			out.AppendRow(f.RowCopy(row)...)
		}
	}
	return out
}

// isCount reports whether 0 of a metric is nothing at all.
func isCount(name string) bool {
	m, ok := metric.Lookup(name)
	return ok && m.Additive && !m.Exact && m.Unit == "short"
}
