package plugin

import (
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

var contract = data.FrameTypeVersion{0, 1}

// metricFrames shapes a result as the model wants it. A request without a
// granularity has no time series, whatever the format says: it is a table.
func metricFrames(result *query.Result, r query.Request, m model) data.Frames {
	var frames data.Frames
	if m.Format == formatTimeSeries && r.Granularity != query.Whole {
		frames = seriesFrames(result, r, m.Alias)
	} else {
		frames = data.Frames{tableFrame(result, r)}
	}
	describe(frames, result.Meta, r)
	return frames
}

func seriesFrames(result *query.Result, r query.Request, alias string) data.Frames {
	frames := query.TimeSeries(result)
	n := namer{alias: alias, groupBy: r.GroupBy, metrics: len(r.Metrics), compare: r.Compare}
	for _, f := range frames {
		for _, field := range f.Fields {
			if !field.Type().Time() {
				config(field).Unit = unitOf(field.Name)
				config(field).DisplayNameFromDS = n.series(field.Name, field.Labels)
			}
		}
	}
	if len(frames) == 0 {
		// The contract's way to say "no data"; it also carries what was executed.
		frames = data.Frames{data.NewFrame("")}
	}
	for _, f := range frames {
		shape(f, data.FrameTypeTimeSeriesMulti, data.VisTypeGraph)
	}
	return frames
}

func tableFrame(result *query.Result, r query.Request) *data.Frame {
	f := result.Frame
	for _, field := range f.Fields {
		config(field).DisplayNameFromDS = columnTitle(field.Name, r.Compare)
		if field.Type().Numeric() {
			config(field).Unit = unitOf(field.Name)
		}
	}
	kind := data.FrameTypeNumericLong
	if r.Granularity != query.Whole {
		kind = data.FrameTypeTimeSeriesLong
	}
	shape(f, kind, data.VisTypeTable)
	return f
}

// kindFrames shapes an answer that is not of metrics. The engine has given its columns
// titles and units.
func kindFrames(result *query.Result, r query.Request, m model) (data.Frames, error) {
	if count, _ := result.Frame.FieldByName("count"); m.kind.Kind == query.KindErrors && count != nil {
		config(count).DisplayNameFromDS = "Failures"
	}
	var frames data.Frames
	switch m.Format {
	case formatTimeSeries:
		if m.kind.Kind == query.KindAnomalies {
			frames = data.Frames{anomaliesFrame(result)}
		} else {
			frames = data.Frames{forecastFrame(result)}
		}
	case formatHeatmap:
		frames = data.Frames{heatmapFrame(result.Frame)}
	case formatLogs:
		frames = data.Frames{logsFrame(result.Frame, m.kind.Kind)}
	case formatAnnotations:
		if end, _ := result.Frame.FieldByName("end"); end != nil {
			end.Name = "timeEnd"
		}
		shape(result.Frame, data.FrameTypeTable, data.VisTypeTable)
		frames = data.Frames{result.Frame}
	case formatTrace:
		frames = data.Frames{traceFrame(result.Frame)}
	case formatNodeGraph:
		if m.kind.Kind == query.KindBottlenecks {
			frames = workflowGraphFrames(result.Frame)
		} else {
			frames = nodeGraphFrames(result.Frame)
		}
	default:
		if err := pick(result.Frame, m.Fields); err != nil {
			return nil, err
		}
		kind := tableType(result.Frame)
		if m.kind.Kind == query.KindBudgets && result.Frame.Rows() == 0 {
			result.Frame = data.NewFrame("") // without columns a table says what its panel has for "no value": how to make one
		}
		shape(result.Frame, kind, data.VisTypeTable)
		frames = data.Frames{result.Frame}
	}
	describe(frames, result.Meta, r)
	return frames, nil
}

// tableType is numeric where a table has one number a row and texts beside it: Grafana's
// expressions take it for numbers with labels then.
func tableType(f *data.Frame) data.FrameType {
	numbers := 0
	for _, field := range f.Fields {
		switch {
		case field.Type().Numeric():
			numbers++
		case field.Type() != data.FieldTypeString:
			return data.FrameTypeTable
		}
	}
	if numbers == 1 {
		return data.FrameTypeNumericLong
	}
	return data.FrameTypeTable
}

// pick leaves a frame the columns named.
func pick(f *data.Frame, names []string) error {
	if len(names) == 0 {
		return nil
	}
	picked := make([]*data.Field, len(names))
	for i, name := range names {
		if picked[i], _ = f.FieldByName(name); picked[i] == nil {
			var all []string
			for _, field := range f.Fields {
				all = append(all, field.Name)
			}
			return &query.RequestError{Param: "fields", Value: name, Message: "the answer has no such column", Allowed: all}
		}
	}
	f.Fields = picked
	return nil
}

func config(field *data.Field) *data.FieldConfig {
	if field.Config == nil {
		field.Config = &data.FieldConfig{}
	}
	return field.Config
}

func unitOf(field string) string {
	name, _ := splitPrevious(field)
	if m, ok := metric.Lookup(name); ok {
		return m.Unit
	}
	return ""
}

func shape(f *data.Frame, kind data.FrameType, vis data.VisType) {
	if f.Meta == nil {
		f.Meta = &data.FrameMeta{}
	}
	f.Meta.Type = kind
	f.Meta.TypeVersion = contract
	f.Meta.PreferredVisualization = vis
}
