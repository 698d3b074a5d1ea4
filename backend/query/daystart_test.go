package query

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Every day begins where the day before ends, also where there is no midnight, or two,
// or no such day.
func TestDayStart(t *testing.T) {
	for _, c := range []struct{ zone, date, want string }{
		{"UTC", "2026-09-06", "2026-09-06T00:00:00Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // begins at one
		{"America/Santiago", "2026-04-05", "2026-04-05T04:00:00Z"}, // 24:00 was 23:00 again
		{"America/Havana", "2026-03-08", "2026-03-08T05:00:00Z"},   // begins at one
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},   // the first midnight of two
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},     // left out
		{"Europe/Berlin", "2040-12-31", "2040-12-30T23:00:00Z"},    // the last day of a leap year by rule
		{"Australia/Lord_Howe", "2044-12-31", "2044-12-30T13:00:00Z"},
	} {
		loc, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		date, err := time.Parse(time.DateOnly, c.date)
		require.NoError(t, err)
		y, m, d := date.Date()
		start := DayStart(y, m, d, loc)
		require.Equal(t, c.want, start.UTC().Format(time.RFC3339), c)
		cal := newCalendar(Day, loc, start.Unix(), start.Unix()+60)
		require.Equal(t, start.Unix(), cal.start(cal.label(start.Unix())), c)
	}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom([]string{"America/Santiago", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Kiritimati"}).Draw(t, "zone"))
		require.NoError(t, err)
		day := rapid.IntRange(0, 40*366).Draw(t, "day")
		start := DayStart(2012, time.January, 1+day, loc)
		want := time.Date(2012, time.January, 1+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		require.Equal(t, want, start.Format(time.DateOnly))
		require.Less(t, start.Add(-time.Nanosecond).Format(time.DateOnly), want)
	})
}

// Comparison periods of days begin when their days do.
func TestComparisonOfDaysWithoutMidnight(t *testing.T) {
	loc, err := time.LoadLocation("America/Santiago")
	require.NoError(t, err)
	day := func(m time.Month, d int) time.Time { return DayStart(2026, m, d, loc) }
	for _, c := range []struct {
		compare          Compare
		from, to         time.Time
		wantFrom, wantTo time.Time
	}{
		{PreviousPeriod, day(9, 7), day(9, 8), day(9, 6), day(9, 7)},
		{PreviousPeriod, day(9, 6), day(9, 7), day(9, 5), day(9, 6)},
		{PreviousDay, day(9, 7), day(9, 8), day(9, 6), day(9, 7)},
		{PreviousWeek, day(9, 13), day(9, 14), day(9, 6), day(9, 7)},
		{PreviousWeek, day(9, 6), day(9, 7), day(8, 30), day(8, 31)},
		{PreviousMonth, day(10, 6), day(10, 31), day(9, 6), day(9, 30)},
	} {
		q := &question{from: c.from, to: c.to, loc: loc}
		got := q.shifted(c.compare)
		require.Equal(t, []string{c.wantFrom.String(), c.wantTo.String()}, []string{got.from.In(loc).String(), got.to.In(loc).String()}, c.compare)
	}
}
