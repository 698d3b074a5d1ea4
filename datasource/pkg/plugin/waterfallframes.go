package plugin

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// traceTags are the columns of a waterfall that a span shows, by the name of its tag.
var traceTags = []string{
	"status", "attempt", "user", "version", "trigger_type", "queue_ms", "on_critical_path", "share", "saving_ms", "critical_queue_ms",
	"critical_retry_ms", "critical_run_ms", "input_bytes", "output_bytes", "credits", "error_type", "error_message",
}

type traceTag struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// traceFrame is a waterfall as Grafana's view of traces reads one: the execution is the
// root, each attempt of a step a span below it.
// https://grafana.com/docs/grafana/latest/explore/trace-integration/
func traceFrame(f *data.Frame) *data.Frame {
	n := f.Rows()
	var (
		traces, spans, parents, operations, services = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		starts, durations                            = make([]float64, n), make([]float64, n)
		tags, serviceTags                            = make([]json.RawMessage, n), make([]json.RawMessage, n)
		root, workflow                               string
		end                                          time.Time
	)
	if n > 0 {
		root, workflow = at[string](f, "id", 0), at[string](f, "workflow", 0)
	}
	for row := range n {
		if t := at[time.Time](f, "end", row); t.After(end) {
			end = t
		}
	}
	for row := range n {
		traces[row], services[row] = root, orDefault(at[string](f, "step_type", row), workflow)
		spans[row], operations[row] = spanID(f, row), orDefault(at[string](f, "step", row), workflow)
		if row > 0 {
			parents[row] = spans[0]
		}
		start := at[time.Time](f, "start", row)
		starts[row], durations[row] = float64(start.UnixMilli()), at[float64](f, "duration_ms", row)
		if row == 0 && at[time.Time](f, "end", 0).IsZero() && end.After(start) { // it has no end yet
			durations[0] = float64(end.Sub(start).Milliseconds())
		}
		tags[row], serviceTags[row] = tagsOf(f, row), json.RawMessage("[]")
	}
	out := data.NewFrame("",
		data.NewField("traceID", nil, traces), data.NewField("spanID", nil, spans), data.NewField("parentSpanID", nil, parents),
		data.NewField("operationName", nil, operations), data.NewField("serviceName", nil, services), data.NewField("serviceTags", nil, serviceTags),
		data.NewField("startTime", nil, starts), data.NewField("duration", nil, durations), data.NewField("tags", nil, tags))
	out.Meta = &data.FrameMeta{PreferredVisualization: data.VisTypeTrace}
	return out
}

// spanID is different for each row: a step may be tried several times under one id.
func spanID(f *data.Frame, row int) string {
	return at[string](f, "line", row) + "/" + strconv.Itoa(row)
}

func tagsOf(f *data.Frame, row int) json.RawMessage {
	tags := []traceTag{{"id", at[string](f, "id", row)}}
	for _, column := range traceTags {
		if text := words(f, column, row); text != "" && text != "0" {
			tags = append(tags, traceTag{column, text})
		}
	}
	if at[string](f, "status", row) == "failed" {
		tags = append(tags, traceTag{"error", true})
	}
	text, _ := json.Marshal(tags) // of strings and a bool, which always have a text
	return text
}

// statuses are the parts of the ring around a node, with their colours.
var statuses = []struct{ status, color string }{{"completed", "green"}, {"failed", "red"}, {"skipped", "gray"}}

// nodeGraphFrames is a waterfall as a graph of what waited for what: the last attempt of
// each step is a node, and the execution that of those which waited for nothing.
func nodeGraphFrames(f *data.Frame) data.Frames {
	nodes := map[string]int{} // the row of each step's last attempt
	var ids []string
	for row := range f.Rows() {
		id := nodeID(f, row)
		if _, ok := nodes[id]; !ok {
			ids = append(ids, id)
		}
		nodes[id] = row // rows are in order of time
	}
	n := len(ids)
	titles, kinds, durations, shares := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	rings := make([][]float64, len(statuses))
	for s := range rings {
		rings[s] = make([]float64, n)
	}
	var edges, sources, targets []string
	join := func(source, target string) {
		edges, sources, targets = append(edges, source+" > "+target), append(sources, source), append(targets, target)
	}
	for i, id := range ids {
		row := nodes[id]
		titles[i], kinds[i] = orDefault(at[string](f, "step", row), at[string](f, "workflow", row)), at[string](f, "step_type", row)
		durations[i], shares[i] = durationText(f, "duration_ms", row), shareText(f, row)
		for s, of := range statuses {
			if at[string](f, "status", row) == of.status {
				rings[s][i] = 1
			}
		}
		if row == 0 {
			continue
		}
		some := false
		for _, id := range dependsOn(f, row) {
			if before, ok := nodes[id]; ok && before != row {
				join(id, ids[i])
				some = true
			}
		}
		if !some {
			join(ids[0], ids[i])
		}
	}
	graph := data.NewFrame("nodes",
		data.NewField("id", nil, ids), data.NewField("title", nil, titles), data.NewField("subtitle", nil, kinds),
		// As texts: the panel knows no units, and writes a number with two digits.
		data.NewField("mainstat", nil, durations).SetConfig(&data.FieldConfig{DisplayName: "Duration"}),
		data.NewField("secondarystat", nil, shares).SetConfig(&data.FieldConfig{DisplayName: "Share of the critical path"}))
	for s, of := range statuses {
		ring := data.NewField("arc__"+of.status, nil, rings[s])
		graph.Fields = append(graph.Fields, ring.SetConfig(&data.FieldConfig{DisplayName: of.status, Color: map[string]any{"mode": "fixed", "fixedColor": of.color}}))
	}
	lines := data.NewFrame("edges", data.NewField("id", nil, edges), data.NewField("source", nil, sources), data.NewField("target", nil, targets))
	for _, frame := range []*data.Frame{graph, lines} {
		frame.Meta = &data.FrameMeta{PreferredVisualization: data.VisTypeNodeGraph}
	}
	return data.Frames{graph, lines}
}

func nodeID(f *data.Frame, row int) string {
	if row == 0 {
		return "execution " + at[string](f, "id", 0) // a step may have the same id
	}
	return at[string](f, "id", row)
}

func dependsOn(f *data.Frame, row int) (ids []string) {
	_ = json.Unmarshal([]byte(at[string](f, "depends_on", row)), &ids) // redacted, it is no list
	return ids
}

func durationText(f *data.Frame, column string, row int) string {
	if words(f, column, row) == "" {
		return ""
	}
	d := time.Duration(at[float64](f, column, row) * float64(time.Millisecond))
	if d > time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}

func shareText(f *data.Frame, row int) string {
	if words(f, "share", row) == "" {
		return ""
	}
	return strconv.FormatFloat(100*at[float64](f, "share", row), 'f', 0, 64) + " %"
}
