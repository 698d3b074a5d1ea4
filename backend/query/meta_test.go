package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func TestMetaSaysHowTheAnswerCameAbout(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	now := from.Add(30 * time.Hour)
	s.Insert(t, executionAt("1", "a", from.Add(time.Hour)), executionAt("2", "b", from.Add(25*time.Hour)))
	s.Settle(t)
	e := newEngine(t, s, now, Limits{Unsettled: 2})
	r := Request{Metrics: []string{"executions"}, From: from, To: from.Add(24 * time.Hour)}
	ask := func() *Result {
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		require.Len(t, res.Meta.SQL, 1)
		return res
	}
	res := ask()
	require.Equal(t, []string{"day"}, res.Meta.Sources)
	require.False(t, res.Meta.PartialPeriod)
	require.Zero(t, res.Meta.PendingBuckets)
	require.NotZero(t, res.Meta.RowsRead)
	require.Equal(t, "1", textOf(res, res.Frame.Fields[0], 0))

	s.Insert(t, executionAt("3", "a", from.Add(2*time.Hour)))
	res = ask()
	require.Equal(t, "2", textOf(res, res.Frame.Fields[0], 0), "read raw before it is rolled up")
	require.Equal(t, uint64(1), res.Meta.PendingBuckets)
	require.Equal(t, []string{"quarter", "minute", "raw"}, res.Meta.Sources)
	require.Empty(t, res.Meta.Notices)

	s.Insert(t, executionAt("4", "a", from.Add(3*time.Hour)), executionAt("5", "a", from.Add(4*time.Hour)))
	res = ask()
	require.Equal(t, "1", textOf(res, res.Frame.Fields[0], 0), "too much waits to be read raw")
	require.Equal(t, uint64(3), res.Meta.PendingBuckets)
	require.Len(t, res.Meta.Notices, 1)
	pending, err := e.Do(t.Context(), admin, Request{Metrics: []string{"pending_buckets"}, From: from, To: now})
	require.NoError(t, err)
	require.Equal(t, "3", textOf(pending, pending.Frame.Fields[0], 0))

	s.Settle(t)
	res = ask()
	require.Equal(t, "4", textOf(res, res.Frame.Fields[0], 0))
	require.Zero(t, res.Meta.PendingBuckets)

	r.To = from.Add(48 * time.Hour)
	require.True(t, ask().Meta.PartialPeriod)
	r.To, r.Granularity = from.Add(29*time.Hour), Day
	require.True(t, ask().Meta.PartialPeriod, "the second day is still running")
}

// Deleted events vanish from raw answers and, once settled, from rollups.
func TestDeletedEventsVanish(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	gone := executionAt("1", "gone", from.Add(time.Hour))
	s.Insert(t, gone, executionAt("2", "stays", from.Add(time.Hour)))
	s.Settle(t)
	e := newEngine(t, s, from.Add(48*time.Hour), Limits{})
	r := Request{Metrics: []string{"executions"}, From: from, To: from.Add(24 * time.Hour), GroupBy: []string{"workflow"}}
	check := func(message string) {
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		require.Equal(t, map[string]map[string]string{groupKey("", []string{"stays"}): {"executions": "1"}}, rowsOf(res, r.GroupBy), message)
	}
	s.Delete(t, gone)
	check("raw")
	s.Settle(t)
	check("rolled up")
}

func TestErrorGroups(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	failed := func(id, workflow, kind, message string, after time.Duration) event.Event {
		e := executionAt(id, workflow, from.Add(after))
		e.Status, e.ErrorType, e.ErrorMessage, e.UserID = event.StatusFailed, kind, message, "u-"+id
		return e
	}
	s.Insert(t,
		failed("1", "a", "timeout", "order 17 timed out after 30s", time.Hour),
		failed("2", "b", "timeout", "order 99 timed out after 5s", 2*time.Hour),
		failed("3", "a", "timeout", "no answer from 'db-1'", 3*time.Hour),
		failed("4", "a", "", "", 3*time.Hour),
		executionAt("5", "a", from.Add(time.Hour)),
		failed("6", "a", "timeout", "order 1 timed out after 5s", 30*time.Hour),
	)
	e := newEngine(t, s, from.Add(48*time.Hour), Limits{})
	r := Request{Kind: KindErrors, From: from, To: from.Add(24 * time.Hour)}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, 3, res.Frame.Rows())
	row := func(i int) []any {
		var out []any
		for _, name := range []string{"error_type", "message", "count", "share", "workflows", "users"} {
			f, _ := res.Frame.FieldByName(name)
			out = append(out, f.At(i))
		}
		return out
	}
	require.Equal(t, []any{"timeout", "order <num> timed out after <num>s", int64(2), 0.5, int64(2), int64(2)}, row(0))
	require.Equal(t, []any{"", "", int64(1), 0.25, int64(1), int64(1)}, row(1))
	require.Equal(t, []any{"timeout", "no answer from <str>", int64(1), 0.25, int64(1), int64(1)}, row(2))
	last, _ := res.Frame.FieldByName("last_seen")
	require.True(t, last.At(0).(time.Time).Equal(from.Add(2*time.Hour)))
	require.False(t, res.Meta.Truncated)

	r.Limit, r.Filters = 1, []Filter{{"workflow", In, []string{"a"}}}
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, 1, res.Frame.Rows())
	require.True(t, res.Meta.Truncated)
	r.Filters = []Filter{{"action", In, []string{"a"}}}
	_, err = e.Do(t.Context(), admin, r)
	var wrong *RequestError
	require.ErrorAs(t, err, &wrong)
}

func TestCollectorMetrics(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	for last := range 2 { // Of one key, and not merged yet.
		s.Exec(t, fmt.Sprintf("INSERT INTO "+s.Table("ingest_log")+` (tenant, minute, source, kind, code, accepted, duplicates, rejected, added, stored, lag_ms_sum, lag_ms_max, last) VALUES
			('acme', '2026-03-28 00:00:00', 'x', 'execution', '', 10, 3, 0, 5, 15, 1000, 300, %[1]d),
			('acme', '2026-03-28 00:01:00', 'x', 'execution', '', 30, 0, 0, 0, 30, 1000, 200, %[1]d),
			('acme', '2026-03-28 00:01:00', 'x', 'step', 'missing_field', 0, 0, 4, 0, 0, 0, 0, %[1]d),
			('other', '2026-03-28 00:01:00', 'x', 'step', '', 4, 0, 0, 0, 4, 0, 0, %[1]d)`, last))
	}
	e := newEngine(t, s, from.Add(48*time.Hour), Limits{})
	res, err := e.Do(t.Context(), admin, Request{
		Metrics: []string{"events_received", "events_accepted", "events_duplicate", "events_rejected", "events_added", "events_stored", "ingest_lag_avg", "ingest_lag_max"},
		From:    from, To: from.Add(time.Hour), GroupBy: []string{"event_kind"},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{
		groupKey("", []string{"execution"}): {
			"events_received": "86", "events_accepted": "80", "events_duplicate": "6", "events_rejected": "0", "events_added": "10", "events_stored": "90",
			"ingest_lag_avg": "50", "ingest_lag_max": "300",
		},
		groupKey("", []string{"step"}): {
			"events_received": "8", "events_accepted": "0", "events_duplicate": "0", "events_rejected": "8", "events_added": "0", "events_stored": "0",
			"ingest_lag_avg": "none", "ingest_lag_max": "none",
		},
	}, rowsOf(res, []string{"event_kind"}))
}

// Amounts of one kind and executions of another meet in one group.
func TestCostPerExecution(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	cost := func(id, workflow, dollars string) event.Event {
		d, err := event.ParseDecimal([]byte(dollars))
		require.NoError(t, err)
		return event.Event{Kind: event.KindCost, Tenant: "acme", ID: id, Time: from.UnixMilli(), WorkflowID: workflow, Dollars: d}
	}
	s.Insert(t, executionAt("1", "a", from), executionAt("2", "a", from), executionAt("3", "free", from),
		cost("c1", "a", "0.3"), cost("c2", "a", "-0.1"), cost("c3", "idle", "5"))
	s.Settle(t)
	e := newEngine(t, s, from.Add(48*time.Hour), Limits{})
	r := Request{Metrics: []string{"dollars_per_execution", "dollars", "executions"}, From: from, To: from.Add(time.Hour), GroupBy: []string{"workflow"}}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{
		groupKey("", []string{"a"}):    {"dollars_per_execution": "0.1", "dollars": "0.2", "executions": "2"},
		groupKey("", []string{"free"}): {"dollars_per_execution": "0", "dollars": "", "executions": "1"},
		groupKey("", []string{"idle"}): {"dollars_per_execution": "none", "dollars": "5", "executions": "none"},
	}, rowsOf(res, r.GroupBy))
	r.Metrics, r.GroupBy = []string{"dollars", "steps"}, []string{"action_type"}
	_, err = e.Do(t.Context(), admin, r)
	var wrong *RequestError
	require.ErrorAs(t, err, &wrong)
	require.Contains(t, wrong.Message, "steps")
	require.Equal(t, []string{"workflow", "user", "team", "execution", "hour_of_day", "weekday"}, wrong.Allowed)
}

func TestTimeSeries(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	s.Insert(t, executionAt("1", "a", from), executionAt("2", "b", from.Add(time.Hour)), executionAt("3", "a", from.Add(2*time.Hour)))
	e := newEngine(t, s, from.Add(48*time.Hour), Limits{})
	r := Request{Metrics: []string{"executions", "failure_rate"}, From: from, To: from.Add(3 * time.Hour), Granularity: Hour, GroupBy: []string{"workflow"}}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	frames := TimeSeries(res)
	require.Len(t, frames, 4)
	require.Equal(t, data.Labels{"workflow": "a"}, frames[0].Fields[1].Labels)
	require.Equal(t, "executions", frames[0].Fields[1].Name)
	require.Equal(t, 2, frames[0].Rows())
	require.Equal(t, data.Labels{"workflow": "b"}, frames[3].Fields[1].Labels)
	require.Equal(t, "percentunit", frames[3].Fields[1].Config.Unit)
	require.Equal(t, data.FrameTypeTimeSeriesMulti, frames[0].Meta.Type)
	r.To = from.Add(time.Minute)
	r.From = from.Add(30 * time.Second)
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	frames = TimeSeries(res)
	require.Len(t, frames, 1, "no data is one frame with a type and no fields")
	require.Empty(t, frames[0].Fields)
	r.Granularity = Whole
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Nil(t, TimeSeries(res))
}

// Grafana's plugin connects as a user that may select and little else.
func TestReaderIsEnough(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	s.Insert(t, executionAt("1", "a", from))
	e, err := New(Config{Client: s.ReadOnly(t), Now: func() time.Time { return from.Add(time.Hour) }})
	require.NoError(t, err)
	res, err := e.Do(t.Context(), admin, Request{
		Metrics: []string{"executions", "executions_running", "sessions"}, From: from, To: from.Add(time.Hour), GroupBy: []string{"user"}, Limit: 3,
	})
	require.NoError(t, err)
	require.Equal(t, 1, res.Frame.Rows())
}
