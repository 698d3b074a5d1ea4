package plugin

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// One execution of ann's, 100 s long, that fails: extract, then load, which is tried
// twice. And two actions of hers.
func newExecution(t *testing.T) (*querytest.Store, backend.TimeRange) {
	t.Helper()
	store := querytest.New(t)
	start := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	moment := func(seconds int64) int64 { return start.UnixMilli() + seconds*1000 }
	base := event.Event{Tenant: tenant, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "ann"}
	begun := base
	begun.Kind, begun.ID, begun.Status, begun.Time, begun.WorkflowID = event.KindExecution, "run-1", event.StatusStarted, moment(0), "billing"
	ended := begun
	ended.Status, ended.Time, ended.Duration, ended.ErrorType, ended.ErrorMessage = event.StatusFailed, moment(100), 100_000, "Timeout", "no answer after 30 s"
	step := func(id, name string, attempt uint32, from, to int64, status event.Status, dependsOn ...string) event.Event {
		e := base
		e.Kind, e.ID, e.ExecutionID, e.StepID, e.StepType, e.Status = event.KindStep, id, "run-1", name, "task", status
		e.Time, e.EndTime, e.Duration, e.Attempt, e.DependsOn = moment(from), moment(to), (to-from)*1000, attempt, dependsOn
		return e
	}
	action := func(id, what string, at int64) event.Event {
		e := base
		e.Kind, e.ID, e.Time, e.Action, e.Resource, e.ResourceID, e.SessionID = event.KindActivity, id, moment(at), what, "workflow", "billing", "s-1"
		return e
	}
	store.Insert(t, begun, ended, step("e", "extract", 1, 10, 30, event.StatusCompleted),
		step("l", "load", 1, 30, 40, event.StatusFailed, "e"), step("l", "load", 2, 50, 90, event.StatusFailed, "e"),
		action("a-1", "login", 0), action("a-2", "edit", 60))
	store.Settle(t)
	return store, backend.TimeRange{From: start.Add(-time.Hour), To: start.Add(2 * time.Hour)}
}

func column[T any](t *testing.T, f *data.Frame, name string) []T {
	t.Helper()
	field, _ := f.FieldByName(name)
	require.NotNil(t, field, name)
	var out []T
	for i := range field.Len() {
		v, _ := field.ConcreteAt(i)
		out = append(out, v.(T))
	}
	return out
}

// asks are what questions of a kind need to have an answer.
var asks = map[query.Kind]string{
	query.KindWaterfall:    `"params":{"execution":"run-1"}`,
	query.KindBottlenecks:  `"filters":[{"dimension":"workflow","operator":"in","values":["billing"]}]`,
	query.KindComparison:   `"params":{"subject":"periods"},"filters":[{"dimension":"workflow","operator":"in","values":["billing"]}]`,
	query.KindAuditTrail:   `"params":{"user":"ann"}`,
	query.KindForecast:     `"granularity":"minute","params":{"metric":"executions"}`,
	query.KindRestatements: `"params":{"since":"2026-01-01"}`,
	kindPromQL:             `"expr":"1"`,
	kindSQL:                `"expr":"SELECT 1 AS n"`,
}

func askOf(k query.Kind) string { return orDefault(asks[k], `"limit":0`) }

func TestKinds(t *testing.T) {
	store, period := newExecution(t)
	g := grafanaOn(t, store, nil)
	models := map[string]string{
		"trace":     `{"queryType":"waterfall","format":"trace","params":{"execution":"run-1"}}`,
		"nodegraph": `{"queryType":"waterfall","format":"nodegraph","params":{"execution":" run-1 "}}`,
		"workflow":  `{"queryType":"bottlenecks","format":"nodegraph","filters":[{"dimension":"workflow","operator":"in","values":["billing"]}]}`,
		"errors":    `{"queryType":"errors","format":"logs"}`,
		"trail":     `{"queryType":"audit_trail","format":"logs","params":{"user":"ann","resource":""}}`,
		"sessions":  `{"queryType":"sessions","format":"logs"}`,
		"durations": `{"queryType":"durations","granularity":"hour"}`,
		"forecast":  `{"queryType":"forecast","granularity":"minute","params":{"metric":"executions","horizon":"5"}}`,
		"anomalies": `{"queryType":"anomalies","granularity":"minute","params":{"metric":"executions"}}`,
	}
	got := g.query(period, models)
	for refID, r := range got {
		require.NoError(t, r.Error, refID)
		require.Contains(t, r.Frames[0].Meta.ExecutedQueryString, "SELECT", refID)
	}

	t.Run("a waterfall as a trace", func(t *testing.T) {
		f := got["trace"].Frames[0]
		require.EqualValues(t, data.VisTypeTrace, f.Meta.PreferredVisualization)
		require.Equal(t, []string{"run-1", "run-1", "run-1", "run-1"}, column[string](t, f, "traceID"))
		require.Equal(t, []string{"billing", "extract", "load", "load"}, column[string](t, f, "operationName"))
		spans := column[string](t, f, "spanID")
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(spans))), 4, "the attempts of a step are spans of their own")
		require.Equal(t, []string{"", spans[0], spans[0], spans[0]}, column[string](t, f, "parentSpanID"))
		require.Equal(t, []float64{100_000, 20_000, 10_000, 40_000}, column[float64](t, f, "duration"))
		begun := float64(period.From.Add(time.Hour).UnixMilli())
		require.Equal(t, []float64{begun, begun + 10_000, begun + 30_000, begun + 50_000}, column[float64](t, f, "startTime"))
		tags := column[json.RawMessage](t, f, "tags")
		require.Contains(t, string(tags[0]), `{"key":"error_message","value":"no answer after 30 s"}`)
		require.Contains(t, string(tags[3]), `{"key":"error","value":true}`)
		require.NotContains(t, string(tags[1]), `"error"`)
	})
	t.Run("a waterfall as a graph of what waited for what", func(t *testing.T) {
		nodes, edges := got["nodegraph"].Frames[0], got["nodegraph"].Frames[1]
		require.Equal(t, []string{"execution run-1", "e", "l"}, column[string](t, nodes, "id"))
		require.Equal(t, []string{"1m40s", "20s", "40s"}, column[string](t, nodes, "mainstat"))
		require.Equal(t, []float64{1, 0, 1}, column[float64](t, nodes, "arc__failed"))
		require.Equal(t, []string{"execution run-1", "e"}, column[string](t, edges, "source"))
		require.Equal(t, []string{"e", "l"}, column[string](t, edges, "target"))
	})
	t.Run("a workflow as a graph of what waits for what", func(t *testing.T) {
		nodes, edges := got["workflow"].Frames[0], got["workflow"].Frames[1]
		require.Equal(t, []string{"load", "extract"}, column[string](t, nodes, "id"), "the largest saving first, and no node for the time between")
		require.Equal(t, []string{"25s", "20s"}, column[string](t, nodes, "mainstat"), "of two attempts, 10 s and 40 s")
		require.Equal(t, []string{"60 %", "20 %"}, column[string](t, nodes, "secondarystat"))
		require.Equal(t, []float64{1, 0}, column[float64](t, nodes, "arc__failed"))
		require.Equal(t, []float64{0, 1}, column[float64](t, nodes, "arc__completed"))
		require.Equal(t, []int64{2, 1}, column[int64](t, nodes, "detail__runs"))
		require.Equal(t, []string{"extract"}, column[string](t, edges, "source"))
		require.Equal(t, []string{"load"}, column[string](t, edges, "target"))
		require.Equal(t, []string{"1"}, column[string](t, edges, "mainstat"))
		require.EqualValues(t, data.VisTypeNodeGraph, nodes.Meta.PreferredVisualization)
	})
	t.Run("lines of a log, the newest first", func(t *testing.T) {
		for refID, want := range map[string][]string{
			"errors":   {"no answer after 30 s"},
			"trail":    {"ann edit workflow billing", "ann login workflow billing"},
			"sessions": {"ann: 2 actions, login to edit"},
		} {
			f := got[refID].Frames[0]
			require.Equal(t, data.FrameTypeLogLines, f.Meta.Type, refID)
			require.EqualValues(t, data.VisTypeLogs, f.Meta.PreferredVisualization, refID)
			require.Equal(t, want, column[string](t, f, "body"), refID)
			ids := column[string](t, f, "id")
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(ids))), len(want), refID)
		}
		labels := column[json.RawMessage](t, got["trail"].Frames[0], "labels")
		require.JSONEq(t, `{"user":"ann","action":"edit","resource":"workflow","resource_id":"billing","session":"s-1","duration_ms":"0","id":"a-2"}`,
			withoutKey(t, labels[0], "cursor"))
		require.Equal(t, []string{"error"}, column[string](t, got["errors"].Frames[0], "severity"))
	})
	t.Run("durations as cells of a heatmap", func(t *testing.T) {
		f := got["durations"].Frames[0]
		require.EqualValues(t, "heatmap-cells", f.Meta.Type)
		require.Equal(t, "xMax", f.Fields[0].Name, "Grafana wants the end of the bucket first")
		require.Equal(t, period.From.Add(2*time.Hour).UnixMilli(), column[time.Time](t, f, "xMax")[0].UnixMilli())
		require.Equal(t, []float64{1}, column[float64](t, f, "count"))
		require.Less(t, column[float64](t, f, "yMin")[0], 100_000.0)
		require.GreaterOrEqual(t, column[float64](t, f, "yMax")[0], 100_000.0)
	})
	t.Run("a forecast with its bands", func(t *testing.T) {
		f := got["forecast"].Frames[0]
		require.Equal(t, data.FrameTypeTimeSeriesWide, f.Meta.Type)
		value, _ := f.FieldByName("value")
		require.Equal(t, "Executions", value.Config.DisplayNameFromDS)
		upper, _ := f.FieldByName("upper_95")
		require.Equal(t, "lower_95", upper.Config.Custom["fillBelowTo"])
	})
	t.Run("anomalies with the band of what is usual", func(t *testing.T) {
		f := got["anomalies"].Frames[0]
		require.Equal(t, data.FrameTypeTimeSeriesWide, f.Meta.Type)
		var names []string
		for _, field := range f.Fields {
			names = append(names, field.Name)
		}
		require.Equal(t, []string{"time", "value", "expected", "lower", "upper", "anomaly"}, names)
		require.Equal(t, "Executions", f.Fields[1].Config.DisplayNameFromDS)
		require.Equal(t, "lower", f.Fields[4].Config.Custom["fillBelowTo"])
		require.Equal(t, "points", f.Fields[5].Config.Custom["drawStyle"])
	})
}

func TestWithoutAServerOnlyFlowgaugesOwnIsAsked(t *testing.T) {
	store, period := newExecution(t)
	got := grafanaOn(t, store, nil).query(period, map[string]string{"other": `{"queryType":"anomalies","params":{"detector":"acme-changes"}}`})
	require.ErrorContains(t, got["other"].Error, "serverUrl cannot be used: It is empty, and params.detector names a plugin of a Flowgauge server")
}

// Whatever kind the engine has can be asked for.
func TestEveryKindIsATable(t *testing.T) {
	store, period := newExecution(t)
	g := sqlOn(t, store, tenant, nil)
	models := map[string]string{}
	for _, k := range kinds() {
		models[string(k.Kind)] = fmt.Sprintf(`{"queryType":%q,"format":"table",%s}`, k.Kind, askOf(k.Kind))
	}
	for kind, r := range g.query(period, models) {
		if kind == string(query.KindRestatements) { // no history is kept here
			require.ErrorContains(t, r.Error, "history.days")
			continue
		}
		require.NoError(t, r.Error, kind)
		require.EqualValues(t, data.VisTypeTable, r.Frames[0].Meta.PreferredVisualization, kind)
	}
}

// A panel has words of its own for what is not there yet, which Grafana shows in place of frames
// without fields.
func TestWhatIsNotThereYet(t *testing.T) {
	store, period := newExecution(t)
	got := grafanaOn(t, store, nil).query(period, map[string]string{
		"budgets":  `{"queryType":"budgets","fields":["name","percent"]}`,
		"forecast": `{"queryType":"forecast","params":{"history":"90"}}`,
	})
	for refID, r := range got {
		require.NoError(t, r.Error, refID)
		require.Len(t, r.Frames, 1, refID)
		require.Empty(t, r.Frames[0].Fields, refID)
	}
	require.Len(t, got["forecast"].Frames[0].Meta.Notices, 1)
	require.Contains(t, got["forecast"].Frames[0].Meta.Notices[0].Text, "too few to forecast from")
}

func TestColumnsArePicked(t *testing.T) {
	store, period := newExecution(t)
	got := grafanaOn(t, store, nil).query(period, map[string]string{
		"two":  `{"queryType":"errors","fields":["count","error_type"]}`,
		"none": `{"queryType":"errors","fields":["shoe"]}`,
	})
	require.NoError(t, got["two"].Error)
	require.Equal(t, []any{int64(1), "Timeout"}, row(t, got["two"].Frames[0], 0))
	require.Equal(t, data.FrameTypeNumericLong, got["two"].Frames[0].Meta.Type, "what an alert rule takes")
	require.ErrorContains(t, got["none"].Error, `fields "shoe": the answer has no such column`)
	require.ErrorContains(t, got["none"].Error, "fingerprint")
}

func withoutKey(t *testing.T, text json.RawMessage, key string) string {
	t.Helper()
	var object map[string]string
	require.NoError(t, json.Unmarshal(text, &object))
	delete(object, key)
	out, err := json.Marshal(object)
	require.NoError(t, err)
	return string(out)
}
