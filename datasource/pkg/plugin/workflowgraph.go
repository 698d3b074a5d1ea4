package plugin

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// workflowGraphFrames are the bottlenecks of a workflow as a graph: its steps are the
// nodes, with the part of their attempts that failed as a ring, and an edge says in how
// many executions a step waited for another.
func workflowGraphFrames(f *data.Frame) data.Frames {
	var ids, kinds, durations, shares []string
	var completed, failed []float64
	var runs, executions []int64
	rows := map[string]int{}
	for row := range f.Rows() {
		step := at[string](f, "step", row)
		// Time of no step is no node, and steps whose names are kept back cannot be told apart.
		if _, known := rows[step]; known || step == "" || step == query.Redacted {
			continue
		}
		rows[step] = row
		ids, kinds = append(ids, step), append(kinds, at[string](f, "step_type", row))
		durations, shares = append(durations, durationText(f, "duration_avg_ms", row)), append(shares, shareText(f, row))
		n := at[int64](f, "runs", row)
		runs, executions = append(runs, n), append(executions, at[int64](f, "executions", row))
		part := 0.0
		if n > 0 {
			part = float64(at[int64](f, "failed", row)) / float64(n)
		}
		completed, failed = append(completed, 1-part), append(failed, part)
	}
	ring := func(status, color string, values []float64) *data.Field {
		return data.NewField("arc__"+status, nil, values).SetConfig(&data.FieldConfig{DisplayName: status, Color: map[string]any{"mode": "fixed", "fixedColor": color}})
	}
	nodes := data.NewFrame("nodes",
		data.NewField("id", nil, ids), data.NewField("title", nil, slices.Clone(ids)), data.NewField("subtitle", nil, kinds),
		data.NewField("mainstat", nil, durations).SetConfig(&data.FieldConfig{DisplayName: "Average duration"}),
		data.NewField("secondarystat", nil, shares).SetConfig(&data.FieldConfig{DisplayName: "Share of the critical path"}),
		ring("completed", "green", completed), ring("failed", "red", failed),
		data.NewField("detail__executions", nil, executions).SetConfig(&data.FieldConfig{DisplayName: "Executions with it"}),
		data.NewField("detail__runs", nil, runs).SetConfig(&data.FieldConfig{DisplayName: "Runs"}))

	var edges, sources, targets, counts []string
	for _, step := range ids {
		var waitedFor map[string]int64
		_ = json.Unmarshal([]byte(at[string](f, "waited_for", rows[step])), &waitedFor) // redacted, it is no object
		for _, before := range slices.Sorted(maps.Keys(waitedFor)) {
			if _, known := rows[before]; !known || before == step {
				continue // it is beyond the limit, or one of several of its own name
			}
			edges, sources, targets = append(edges, before+" > "+step), append(sources, before), append(targets, step)
			counts = append(counts, strconv.FormatInt(waitedFor[before], 10))
		}
	}
	lines := data.NewFrame("edges", data.NewField("id", nil, edges), data.NewField("source", nil, sources), data.NewField("target", nil, targets),
		data.NewField("mainstat", nil, counts).SetConfig(&data.FieldConfig{DisplayName: "Executions"}))
	for _, frame := range []*data.Frame{nodes, lines} {
		frame.Meta = &data.FrameMeta{PreferredVisualization: data.VisTypeNodeGraph}
	}
	return data.Frames{nodes, lines}
}
