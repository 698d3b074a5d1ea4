package plugin

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// logLine says how a row of a kind reads as a line of a log.
type logLine struct {
	time, id string // columns
	severity string
	body     func(row func(column string) string) string
}

var logLines = map[query.Kind]logLine{
	query.KindErrors: {time: "last_seen", id: "fingerprint", severity: "error", body: func(row func(string) string) string {
		return orDefault(row("sample"), row("message"))
	}},
	query.KindSessions: {time: "start", id: "session", severity: "info", body: func(row func(string) string) string {
		return fmt.Sprintf("%s: %s actions, %s to %s", groupValue(row("user")), row("actions"), row("first_action"), row("last_action"))
	}},
	query.KindAuditTrail: {time: "time", id: "id", severity: "info", body: func(row func(string) string) string {
		return fmt.Sprintf("%s %s %s %s", groupValue(row("user")), row("action"), row("resource"), row("resource_id"))
	}},
}

// logsFrame is the same answer as lines of a log, as Grafana's dataplane contract wants
// them, the newest first. All that is no part of the line itself is in its labels.
func logsFrame(f *data.Frame, kind query.Kind) *data.Frame {
	line := logLines[kind]
	order := make([]int, f.Rows())
	times := make([]time.Time, f.Rows())
	for i := range order {
		order[i], times[i] = i, at[time.Time](f, line.time, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return times[b].Compare(times[a]) })

	n := len(order)
	when, bodies, severities, ids, labels := make([]time.Time, n), make([]string, n), make([]string, n), make([]string, n), make([]json.RawMessage, n)
	for i, row := range order {
		when[i], severities[i] = times[row], line.severity
		bodies[i] = line.body(func(column string) string { return words(f, column, row) })
		// Grafana wants ids that are different; those of events may come from many sources.
		ids[i] = fmt.Sprintf("%s/%d/%d", words(f, line.id, row), times[row].UnixMilli(), row)
		labels[i] = labelsOf(f, line, row)
	}
	out := data.NewFrame("",
		data.NewField("timestamp", nil, when), data.NewField("body", nil, bodies), data.NewField("severity", nil, severities),
		data.NewField("id", nil, ids), data.NewField("labels", nil, labels),
		data.NewField("level", nil, slices.Clone(severities))) // what Grafana 10 reads instead of severity
	out.Meta = f.Meta
	shape(out, data.FrameTypeLogLines, data.VisTypeLogs)
	return out
}

func labelsOf(f *data.Frame, line logLine, row int) json.RawMessage {
	labels := map[string]string{}
	for _, field := range f.Fields {
		if text := words(f, field.Name, row); field.Name != line.time && text != "" {
			labels[field.Name] = text
		}
	}
	text, _ := json.Marshal(labels) // of strings, which always have a text
	return text
}

// at returns a cell; the zero value where there is none.
func at[T any](f *data.Frame, column string, row int) (v T) {
	if field, _ := f.FieldByName(column); field != nil {
		if value, ok := field.ConcreteAt(row); ok {
			v, _ = value.(T)
		}
	}
	return v
}

// words returns a cell as text; none is empty.
func words(f *data.Frame, column string, row int) string {
	field, _ := f.FieldByName(column)
	if field == nil {
		return ""
	}
	value, ok := field.ConcreteAt(row)
	if !ok {
		return ""
	}
	if t, ok := value.(time.Time); ok {
		return t.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(value)
}
