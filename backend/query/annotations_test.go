package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func ran(id, workflow string, version uint32, at time.Time, status event.Status) event.Event {
	return event.Event{
		Kind: event.KindExecution, Status: status, Tenant: "acme", ID: id, WorkflowID: workflow, WorkflowVersion: version, Duration: 10,
		Time: at.UnixMilli(), PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
	}
}

func TestVersionChanges(t *testing.T) {
	s := querytest.New(t)
	day := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	var events []event.Event
	add := func(workflow string, version uint32, at ...string) {
		for _, text := range at {
			when, err := time.Parse("01-02 15:04", text)
			require.NoError(t, err)
			events = append(events, ran(fmt.Sprint(workflow, version, text), workflow, version, when.AddDate(2026, 0, 0), event.StatusCompleted))
		}
	}
	add("billing", 3, "03-09 10:00", "03-10 10:00", "03-11 12:00") // goes on beside the next
	add("billing", 4, "03-11 08:20", "03-11 23:00", "03-12 08:00")
	add("billing", 5, "03-12 23:59")
	add("mail", 7, "03-10 09:00", "03-11 09:00") // has run the day before the period only as this
	add("sync", 1, "03-11 10:00")                // the first that is known of it
	add("tax", 9, "03-12 09:00", "03-12 12:00")  // both begin on one day
	add("tax", 10, "03-12 10:00", "03-12 09:01")
	add("tax", 8, "03-12 13:00")                 // back to one that had not been seen
	add("sync", 0, "03-10 10:00", "03-12 10:00") // none is no version
	s.Insert(t, events...)
	s.Settle(t)
	e := newEngine(t, s, day.AddDate(0, 0, 5), Limits{})
	ask := func(change func(r *Request)) [][]any {
		r := Request{Kind: KindAnnotations, From: day.AddDate(0, 0, 1), To: day.AddDate(0, 0, 3)}
		change(&r)
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		likeItsInfo(t, res.Frame, annotationsFields)
		var out [][]any
		for row := range res.Frame.Rows() {
			cells := cellsOf(res, row)
			require.Nil(t, cells[1].(*time.Time))
			out = append(out, []any{cells[0].(time.Time).Format("01-02 15:04"), cells[2], cells[3], cells[4], cells[5]})
		}
		return out
	}
	five := []any{"03-12 23:45", "billing: version 5", "First run of version 5; before it, version 4 ran.", "version", "billing"}
	four := []any{"03-11 08:15", "billing: version 4", "First run of version 4; before it, version 3 ran.", "version", "billing"}
	eight := []any{"03-12 13:00", "tax: version 8", "First run of version 8; before it, version 10 ran.", "version", "tax"}
	ten := []any{"03-12 09:00", "tax: version 10", "First run of version 10; before it, version 9 ran.", "version", "tax"}
	require.Equal(t, [][]any{five, eight, ten, four}, ask(func(*Request) {}), "mail has not changed, and of sync no other version is known")
	require.Equal(t, [][]any{five}, ask(func(r *Request) { r.Limit = 1 }))
	require.Empty(t, ask(func(r *Request) {
		r.Filters = []Filter{{Dimension: "workflow", Operator: In, Values: []string{"mail"}}}
	}))
	require.Equal(t, [][]any{five, eight, ten}, ask(func(r *Request) { r.From = day.AddDate(0, 0, 1).Add(9 * time.Hour) }), "what began before the period is not in it")
	berlin := ask(func(r *Request) { r.TimeZone = "Europe/Berlin" })
	require.Equal(t, "03-13 00:45", berlin[0][0], "a day of Berlin begins an hour earlier")
	require.Equal(t, "03-11 09:15", berlin[3][0])
}

func TestIncidents(t *testing.T) {
	s := querytest.New(t)
	start := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	var events []event.Event
	minute := func(m, completed, failed int) {
		at := start.Add(time.Duration(m) * time.Minute)
		for i := range completed + failed {
			status := event.StatusCompleted
			if i < failed {
				status = event.StatusFailed
			}
			events = append(events, ran(fmt.Sprint(m, "-", i), "w", 1, at.Add(time.Duration(i)*time.Second), status))
		}
	}
	minute(0, 20, 1)
	minute(1, 8, 2) // exactly a fifth
	minute(2, 5, 15)
	minute(3, 0, 9) // too few to say
	minute(4, 9, 3)
	minute(60, 0, 10)
	s.Insert(t, events...)
	s.Settle(t)
	e := newEngine(t, s, start.Add(24*time.Hour), Limits{})
	ask := func(change func(r *Request)) (out [][]any) {
		r := Request{Kind: KindAnnotations, From: start, To: start.Add(2 * time.Hour), Params: map[string]string{"of": "incidents"}}
		change(&r)
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		for row := range res.Frame.Rows() {
			cells := cellsOf(res, row)
			out = append(out, []any{cells[0].(time.Time).Format("15:04"), cells[1].(*time.Time).Format("15:04"), cells[3]})
		}
		return out
	}
	require.Equal(t, [][]any{
		{"01:00", "01:01", "10 of 10 executions failed, 100 %."},
		{"00:04", "00:05", "3 of 12 executions failed, 25 %."},
		{"00:01", "00:03", "17 of 30 executions failed, 57 %."},
	}, ask(func(*Request) {}))
	require.Equal(t, [][]any{{"00:00", "02:00", "40 of 82 executions failed, 49 %."}}, ask(func(r *Request) { r.Granularity = Hour }), "hours next to each other are one")
	require.Len(t, ask(func(r *Request) { r.Params["failure_rate"] = "0.5" }), 2)
	require.Len(t, ask(func(r *Request) { r.Params["min_executions"] = "11" }), 2)

	for params, want := range map[string]map[string]string{
		"params.failure_rate":   {"of": "incidents", "failure_rate": "2"},
		"params.min_executions": {"of": "incidents", "min_executions": "0"},
		"params.of":             {"of": "shoes"},
	} {
		_, err := e.Do(t.Context(), admin, Request{Kind: KindAnnotations, From: start, To: start.Add(time.Hour), Params: want})
		require.ErrorContains(t, err, params)
	}
	_, err := e.Do(t.Context(), admin, Request{Kind: KindAnnotations, From: start, To: start.Add(time.Hour), Granularity: Hour})
	require.ErrorContains(t, err, "is of incidents")
}
