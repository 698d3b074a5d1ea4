package plugin

import (
	"slices"

	"github.com/flowgauge/flowgauge/backend/query"
)

// The shapes of answers.
const (
	formatTimeSeries = "timeseries"
	formatTable      = "table"
	formatLogs       = "logs"      // for the panel of that name and Explore's logs view
	formatTrace      = "trace"     // for the panel of traces
	formatNodeGraph  = "nodegraph" // for the panel of that name
	formatHeatmap    = "heatmap"   // for the panel of that name
	// formatAnnotations has the columns that Grafana's annotations are made of.
	formatAnnotations = "annotations"
)

// kindFormats are the shapes of those kinds that have another than a table. The first
// is that of a query which names none.
var kindFormats = map[query.Kind][]string{
	query.KindMetrics:     {formatTimeSeries, formatTable},
	query.KindForecast:    {formatTimeSeries, formatTable},
	query.KindAnomalies:   {formatTimeSeries, formatTable},
	query.KindErrors:      {formatTable, formatLogs},
	query.KindSessions:    {formatTable, formatLogs},
	query.KindAuditTrail:  {formatTable, formatLogs},
	query.KindAnnotations: {formatAnnotations, formatTable},
	query.KindDurations:   {formatHeatmap, formatTable},
	query.KindWaterfall:   {formatTable, formatTrace, formatNodeGraph},
	query.KindBottlenecks: {formatTable, formatNodeGraph},
}

func formatsOf(kind query.Kind) []string {
	if formats, ok := kindFormats[kind]; ok {
		return formats
	}
	return []string{formatTable}
}

// Kind is one choice of the editor: a kind of the engine's, and the shapes it has here.
type Kind struct {
	query.KindInfo
	Formats []string `json:"formats"`
}

// kinds lists what can be asked without plugins.
func kinds() []Kind { return kindsOf(query.Kinds()) }

func kindsOf(own []query.KindInfo) []Kind {
	var out []Kind
	for _, info := range own {
		out = append(out, Kind{KindInfo: info, Formats: formatsOf(info.Kind)})
	}
	return append(out, promqlKind, sqlKind)
}

// kindOf finds a kind by its name, among Flowgauge's own and more.
func kindOf(name string, more ...Kind) (Kind, error) {
	all := append(kinds(), more...)
	if i := slices.IndexFunc(all, func(k Kind) bool { return string(k.Kind) == name }); i >= 0 {
		return all[i], nil
	}
	names := make([]string, len(all))
	for i, k := range all {
		names[i] = string(k.Kind)
	}
	return Kind{}, oneOf("queryType", name, names...)
}

func (k Kind) uses(member string) bool { return slices.Contains(k.Uses, member) }
