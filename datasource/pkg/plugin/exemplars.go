package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// exemplarMetrics are figures with whose values the duration of one execution shares an
// axis.
var exemplarMetrics = []string{"duration_avg", "duration_p50", "duration_p90", "duration_p95", "duration_p99", "duration_max"}

const (
	// mostExemplars is how many a query has: more hide the lines that they lie on.
	mostExemplars = 100
	// exemplarPatience is how long a panel, which has its figures from rollups by then,
	// waits for what is read from events.
	exemplarPatience = 5 * time.Second
	// exemplarFrame is the name by which Grafana's panels know a frame of exemplars.
	exemplarFrame = "exemplar"
)

// exemplars puts the slowest execution of each interval beside series of durations. The
// series are there without them: whatever keeps them back is a notice.
func (d *Datasource) exemplars(ctx context.Context, who access.Principal, r query.Request, m model, frames data.Frames) data.Frames {
	times := m.Format == formatTimeSeries && r.Granularity != query.Whole && len(frames[0].Fields) > 0
	if !m.Exemplar || !times || !slices.ContainsFunc(r.Metrics, func(name string) bool { return slices.Contains(exemplarMetrics, name) }) {
		return frames
	}
	ctx, cancel := context.WithTimeout(ctx, exemplarPatience)
	defer cancel()
	result, err := d.engine.Do(ctx, who, query.Request{
		Kind: query.KindExecutions, From: r.From, To: r.To, TimeZone: r.TimeZone, Granularity: r.Granularity,
		Filters: slices.Concat(r.Filters, shownGroups(frames, r.GroupBy)), Limit: mostExemplars, AsOf: r.AsOf,
	})
	meta := frames[0].Meta
	if err != nil {
		text := d.problemOf(err).message()
		if errors.Is(err, context.DeadlineExceeded) {
			text = fmt.Sprintf("The executions of the period could not be read within %s. Take a shorter one.", exemplarPatience)
		}
		meta.Notices = append(meta.Notices, data.Notice{Severity: data.NoticeSeverityInfo, Text: "There are no exemplars. " + text})
		return frames
	}
	meta.ExecutedQueryString = strings.Join(append([]string{meta.ExecutedQueryString}, result.Meta.SQL...), ";\n\n")
	return append(frames, exemplarsOf(result.Frame))
}

// shownGroups keeps the groups that have a series: those beyond the top have no line to
// lie on.
func shownGroups(frames data.Frames, groupBy []string) []query.Filter {
	var out []query.Filter
	for _, dimension := range groupBy {
		var values []string
		for _, f := range frames {
			for _, field := range f.Fields {
				if value, ok := field.Labels[dimension]; ok && !slices.Contains(values, value) {
					values = append(values, value)
				}
			}
		}
		out = append(out, query.Filter{Dimension: dimension, Operator: query.In, Values: values})
	}
	return out
}

// exemplarsOf has the fields that Grafana looks for, Time and Value, and shows the others
// beside a point.
func exemplarsOf(f *data.Frame) *data.Frame {
	order := make([]int, f.Rows())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(at[time.Time](f, "time", a).UnixMilli(), at[time.Time](f, "time", b).UnixMilli())
	})
	times, values := make([]time.Time, len(order)), make([]float64, len(order))
	texts := map[string][]string{}
	shown := []string{metric.Execution, metric.Workflow, "status"}
	for i, row := range order {
		times[i], values[i] = at[time.Time](f, "time", row), float64(at[int64](f, "duration_ms", row))
		for _, name := range shown {
			texts[name] = append(texts[name], at[string](f, name, row))
		}
	}
	out := data.NewFrame(exemplarFrame, data.NewField("Time", nil, times),
		data.NewField("Value", nil, values).SetConfig(&data.FieldConfig{Unit: "ms"}))
	for _, name := range shown {
		out.Fields = append(out.Fields, data.NewField(name, nil, texts[name]))
	}
	out.Meta = &data.FrameMeta{DataTopic: data.DataTopicAnnotations, Custom: map[string]string{"resultType": exemplarFrame}}
	return out
}
