package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func waterfallOf(id string) Request {
	return Request{Kind: KindWaterfall, Params: map[string]string{"execution": id}}
}

// An execution of ann's from 10:00:00 to 10:01:40 (100 s), queued 5 s before:
//
//	extract   queued 10:00:00, 10:00:10-10:00:30
//	load      10:00:30-10:00:40 fails, again 10:00:50-10:01:30   waits for extract, secret
//	secret    10:00:00-10:00:20, of bob                          nobody waits longer for it
//
// The path is extract (queue 10, run 20), load (retry 20, run 40), and 10 s of nothing.
func TestWaterfall(t *testing.T) {
	s := querytest.New(t)
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	at := func(seconds int64) int64 { return start.UnixMilli() + seconds*1000 }
	base := event.Event{Tenant: "acme", PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime}
	begun := base
	begun.Kind, begun.ID, begun.Status, begun.Time, begun.QueuedTime = event.KindExecution, "run-1", event.StatusStarted, at(0), at(-5)
	begun.WorkflowID, begun.WorkflowVersion, begun.UserID, begun.TriggerType = "billing", 3, "ann", "cron"
	ended := begun
	ended.Status, ended.Time, ended.Duration, ended.QueuedTime = event.StatusFailed, at(100), 100_000, event.NoTime
	ended.ErrorType, ended.ErrorMessage = "timeout", "no answer"
	step := func(id, name string, attempt uint32, from, to int64, status event.Status, dependsOn ...string) event.Event {
		e := base
		e.Kind, e.ID, e.ExecutionID, e.StepID, e.StepType, e.Status = event.KindStep, id, "run-1", name, "task", status
		e.Time, e.EndTime, e.Duration, e.Attempt, e.DependsOn = at(from), at(to), (to-from)*1000, attempt, dependsOn
		return e
	}
	extract := step("e", "extract", 1, 10, 30, event.StatusCompleted)
	extract.QueuedTime, extract.Credits = at(0), event.Decimal{Lo: 1_500_000_000_000_000}
	secret := step("s", "secret", 1, 0, 20, event.StatusCompleted)
	secret.UserID = "bob"
	other := step("o", "extract", 1, 0, 90, event.StatusCompleted)
	other.ExecutionID = "run-2"
	s.Insert(t, begun, ended, extract, secret, other,
		step("l", "load", 1, 30, 40, event.StatusFailed, "e", "s"), step("l", "load", 2, 50, 90, event.StatusCompleted, "e", "s"))
	e := newEngine(t, s, start.Add(time.Hour), Limits{})
	r := waterfallOf("run-1")
	r.TimeZone = "Europe/Berlin"
	lines := func(p access.Principal) []string {
		res, err := e.Do(t.Context(), p, r)
		require.NoError(t, err)
		likeItsInfo(t, res.Frame, waterfallFields)
		var out []string
		for i := range res.Frame.Rows() {
			line := ""
			for _, name := range []string{"line", "id", "status", "attempt", "depth", "depends_on", "on_critical_path"} {
				f, _ := res.Frame.FieldByName(name)
				line += fmt.Sprint(f.At(i), " ")
			}
			for _, name := range []string{"queue_ms", "duration_ms", "share", "saving_ms", "critical_gap_ms", "critical_queue_ms", "critical_retry_ms", "critical_run_ms"} {
				f, _ := res.Frame.FieldByName(name)
				if v, err := f.NullableFloatAt(i); err == nil && v != nil {
					line += fmt.Sprint(*v, " ")
				} else {
					line += "- "
				}
			}
			out = append(out, line[:len(line)-1])
		}
		return out
	}
	// Without extract, secret still has load wait until 20: 10 saved of 30. Without
	// load, extract ends at 30: all of its 60 saved.
	require.Equal(t, []string{
		`execution run-1 failed 0 0 [] true 5000 100000 0.9 - 10000 10000 20000 60000`,
		`step s completed 1 1 [] false - 20000 0 0 0 0 0 0`,
		`step e completed 1 1 [] true 10000 20000 0.3 10000 0 10000 0 20000`,
		`step l failed 1 2 ["e","s"] true - 10000 0.2 - 0 0 20000 0`,
		`step l completed 2 2 ["e","s"] true - 40000 0.4 60000 0 0 0 40000`,
	}, lines(admin))
	// Of bob's step ann sees nothing, not its id either. Without it extract saves 30.
	require.Equal(t, []string{
		`execution run-1 failed 0 0 [] true 5000 100000 0.9 - 10000 10000 20000 60000`,
		`step e completed 1 1 [] true 10000 20000 0.3 30000 0 10000 0 20000`,
		`step l failed 1 2 ["e"] true - 10000 0.2 - 0 0 20000 0`,
		`step l completed 2 2 ["e"] true - 40000 0.4 60000 0 0 0 40000`,
	}, lines(viewer("ann")))
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, []string{"billing", "billing", "billing", "billing", "billing"}, field[string](t, res.Frame, "workflow"))
	require.Equal(t, []int64{3, 3, 3, 3, 3}, field[int64](t, res.Frame, "version"))
	require.Equal(t, []string{"ann", "bob", "ann", "ann", "ann"}, field[string](t, res.Frame, "user"))
	require.Equal(t, "2026-03-01T11:01:40+01:00", field[*time.Time](t, res.Frame, "end")[0].Format(time.RFC3339))
	require.Equal(t, "timeout no answer cron", field[string](t, res.Frame, "error_type")[0]+" "+field[string](t, res.Frame, "error_message")[0]+" "+field[string](t, res.Frame, "trigger_type")[0])
	require.Equal(t, []string{"", "0", "1.5", "0", "0"}, res.Exact["credits"])
	r.Limit = 2
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.True(t, res.Meta.Truncated)
	require.Equal(t, 3, res.Frame.Rows())
	require.InDelta(t, 60_000, field[float64](t, res.Frame, "critical_run_ms")[0], 0)

	// Whoever may not see it is told what everyone is told of one that is not there.
	_, missing := e.Do(t.Context(), viewer("bob"), waterfallOf("run-3"))
	for _, p := range []access.Principal{
		viewer("bob"), {Tenant: "globex", Role: access.RoleAdmin}, {Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"bob", "cem"}},
	} {
		_, err := e.Do(t.Context(), p, waterfallOf("run-1"))
		var none *NotFoundError
		require.ErrorAs(t, err, &none)
		require.Equal(t, missing.Error(), "there is no execution run-3"+none.Message[len("there is no execution run-1"):])
	}
	_, err = e.Do(t.Context(), access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"ann"}}, waterfallOf("run-1"))
	require.NoError(t, err)
}

// What runs ends, so far, with its last step.
func TestWaterfallOfWhatRuns(t *testing.T) {
	s := querytest.New(t)
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	begun := event.Event{
		Kind: event.KindExecution, Tenant: "acme", ID: "run-1", Status: event.StatusStarted, Time: start.UnixMilli(), WorkflowID: "billing",
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
	}
	step := begun
	step.Kind, step.ID, step.ExecutionID, step.StepID, step.Status = event.KindStep, "s", "run-1", "extract", event.StatusCompleted
	step.Time, step.Duration, step.EndTime = begun.Time+1000, 3000, begun.Time+4000
	s.Insert(t, begun, step)
	e := newEngine(t, s, start.Add(time.Hour), Limits{})
	res, err := e.Do(t.Context(), admin, waterfallOf("run-1"))
	require.NoError(t, err)
	require.True(t, res.Meta.PartialPeriod)
	require.Nil(t, field[*time.Time](t, res.Frame, "end")[0])
	require.Nil(t, field[*float64](t, res.Frame, "duration_ms")[0])
	require.InDelta(t, 0.75, *field[*float64](t, res.Frame, "share")[1], 1e-12)
}

func TestWaterfallRefuses(t *testing.T) {
	e := offline(t, utc(2026, 1, 1))
	for _, c := range []struct {
		r     Request
		param string
	}{
		{Request{Kind: KindWaterfall}, "params.execution"},
		{waterfallOf(" "), "params.execution"},
		{Request{Kind: KindWaterfall, Params: map[string]string{"execution": "x"}, Limit: -1}, "limit"},
		{Request{Kind: KindWaterfall, Params: map[string]string{"execution": "x"}, TimeZone: "Mars"}, "timeZone"},
		{Request{Kind: KindWaterfall, Params: map[string]string{"execution": "x"}, GroupBy: []string{"step"}}, "groupBy"},
	} {
		_, err := e.Do(t.Context(), admin, c.r)
		var wrong *RequestError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, c.param, wrong.Param)
	}
}
