package query

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Hours and weekdays are those that a clock on the wall showed, also around its
// changes, and whether rollups or raw rows are read.
func TestHoursAndWeekdaysAreThoseOnTheWall(t *testing.T) {
	type shown map[string]string // "weekday hour" to executions
	zones := map[string]struct {
		moments []string // in UTC
		want    shown
	}{
		// 29 March: 02:00 to 03:00 is left out. 25 October: it comes twice.
		"Europe/Berlin": {
			[]string{"2026-03-29T00:59:59.999Z", "2026-03-29T01:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z", "2026-10-25T23:00:00Z"},
			shown{"7 01": "1", "7 03": "2", "7 02": "2", "1 00": "1"},
		},
		"Asia/Kathmandu": { // 5 hours and 45 minutes ahead
			[]string{"2026-03-29T18:14:59.999Z", "2026-03-29T18:15:00Z", "2026-03-29T19:14:00Z"},
			shown{"7 23": "1", "1 00": "2"},
		},
		// Half an hour: 5 April from +11:00 to +10:30 at 02:00, 4 October back at 02:00.
		"Australia/Lord_Howe": {
			[]string{"2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T15:30:00Z", "2026-10-03T15:29:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"},
			shown{"7 01": "3", "7 02": "2", "7 03": "1"},
		},
	}
	s := querytest.New(t)
	from, to := utc(2026, 3, 1), utc(2026, 11, 30)
	ask := func(zone, workflow string) shown {
		t.Helper()
		e := newEngine(t, s, to, Limits{Unsettled: 1 << 30})
		res, err := e.Do(t.Context(), admin, Request{
			Metrics: []string{"executions"}, From: from, To: to, TimeZone: zone, GroupBy: []string{"weekday", "hour_of_day"},
			Filters: []Filter{{"workflow", In, []string{workflow}}},
		})
		require.NoError(t, err)
		got := shown{}
		for row := range res.Frame.Rows() {
			got[res.Frame.Fields[0].At(row).(string)+" "+res.Frame.Fields[1].At(row).(string)] = textOf(res, res.Frame.Fields[2], row)
		}
		return got
	}
	for zone, tc := range zones {
		for _, moment := range tc.moments {
			at, err := time.Parse(time.RFC3339, moment)
			require.NoError(t, err)
			s.Insert(t, executionAt(zone+moment, zone, at))
		}
		require.Equal(t, tc.want, ask(zone, zone), "%s, from raw rows", zone)
	}
	s.Settle(t)
	for zone, tc := range zones {
		require.Equal(t, tc.want, ask(zone, zone), "%s, from rollups", zone)
	}
	e := newEngine(t, s, to, Limits{})
	_, err := e.Do(t.Context(), admin, Request{Metrics: []string{"executions"}, From: from, To: to, Filters: []Filter{{"hour_of_day", In, []string{"24"}}}})
	require.ErrorContains(t, err, "from 0 to 23")
	hours, err := e.Values(t.Context(), admin, ValuesRequest{Dimension: "weekday", From: from, To: to})
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6", "7"}, hours)
}
