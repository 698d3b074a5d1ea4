package query

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func TestComparedPeriods(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	const layout = "2006-01-02 15:04 -0700"
	for _, tc := range []struct {
		compare          Compare
		from, to         string
		wantFrom, wantTo string
	}{
		{PreviousPeriod, "2026-06-10 06:00 +0200", "2026-06-10 09:30 +0200", "2026-06-10 02:30 +0200", "2026-06-10 06:00 +0200"},
		{PreviousPeriod, "2026-03-30 00:00 +0200", "2026-04-06 00:00 +0200", "2026-03-23 00:00 +0100", "2026-03-30 00:00 +0200"},
		{PreviousDay, "2026-03-30 08:00 +0200", "2026-03-30 09:00 +0200", "2026-03-29 08:00 +0200", "2026-03-29 09:00 +0200"},
		{PreviousDay, "2026-03-29 08:00 +0200", "2026-03-30 00:00 +0200", "2026-03-28 08:00 +0100", "2026-03-29 00:00 +0100"},
		{PreviousWeek, "2026-03-30 00:00 +0200", "2026-04-06 00:00 +0200", "2026-03-23 00:00 +0100", "2026-03-30 00:00 +0200"},
		{PreviousMonth, "2026-03-01 00:00 +0100", "2026-04-01 00:00 +0200", "2026-02-01 00:00 +0100", "2026-03-01 00:00 +0100"},
		{PreviousMonth, "2026-03-30 00:00 +0200", "2026-03-31 00:00 +0200", "2026-02-28 00:00 +0100", "2026-02-28 00:00 +0100"},
		{PreviousYear, "2028-02-29 00:00 +0100", "2028-03-01 00:00 +0100", "2027-02-28 00:00 +0100", "2027-03-01 00:00 +0100"},
	} {
		parse := func(s string) time.Time {
			at, err := time.Parse(layout, s)
			require.NoError(t, err)
			return at
		}
		q := &question{from: parse(tc.from), to: parse(tc.to), loc: berlin}
		p := q.shifted(tc.compare)
		require.Equal(t, tc.wantFrom, p.from.In(berlin).Format(layout), tc)
		require.Equal(t, tc.wantTo, p.to.In(berlin).Format(layout), tc)
	}
}

func executionAt(id, workflow string, at time.Time) event.Event {
	return event.Event{
		Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: id, Time: at.UnixMilli(),
		PreviousTime: event.NoTime, WorkflowID: workflow, Duration: 1000,
	}
}

// 9 o'clock meets 9 o'clock, also on the day after the clock was changed.
func TestCompareMatchesRows(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	s := querytest.New(t)
	change := time.Date(2026, 3, 29, 0, 0, 0, 0, berlin)
	s.Insert(t,
		executionAt("1", "a", change.Add(30*time.Minute)),
		executionAt("2", "a", time.Date(2026, 3, 29, 9, 10, 0, 0, berlin)),
		executionAt("3", "b", time.Date(2026, 3, 29, 23, 59, 0, 0, berlin)),
		executionAt("4", "a", time.Date(2026, 3, 30, 9, 20, 0, 0, berlin)),
		executionAt("5", "a", time.Date(2026, 3, 30, 2, 20, 0, 0, berlin)),
	)
	s.Settle(t)
	e := newEngine(t, s, change.AddDate(0, 0, 5), Limits{})
	r := Request{
		Metrics: []string{"executions"}, From: change.AddDate(0, 0, 1), To: change.AddDate(0, 0, 2), Granularity: Hour,
		TimeZone: "Europe/Berlin", GroupBy: []string{"workflow"}, Compare: PreviousDay,
	}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	var lines []string
	for row := range res.Frame.Rows() {
		lines = append(lines, res.Frame.Fields[0].At(row).(time.Time).Format("02 15:04")+" "+res.Frame.Fields[1].At(row).(string)+
			" "+textOf(res, res.Frame.Fields[2], row)+" "+textOf(res, res.Frame.Fields[3], row))
	}
	require.Equal(t, []string{"30 00:00 a none 1", "30 02:00 a 1 none", "30 09:00 a 1 1", "30 23:00 b none 1"}, lines)
	require.Equal(t, "executions_previous", res.Frame.Fields[3].Name)

	r.Granularity, r.Limit = Whole, 1
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{groupKey("", []string{"a"}): {"executions": "2", "executions_previous": "2"}}, rowsOf(res, r.GroupBy))
}

func TestCounterpartsOfMonths(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := newCalendar(Day, time.UTC, from.Unix(), from.AddDate(0, 1, 0).Unix())
	before := newCalendar(Day, time.UTC, from.AddDate(0, -1, 0).Unix(), from.Unix())
	labels := counterparts(now, before, time.UTC)
	require.Len(t, labels, 28)
	require.Equal(t, now.label(from.Unix()), labels[before.label(from.AddDate(0, -1, 0).Unix())])
}
