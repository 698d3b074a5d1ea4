package query

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func TestDaysHave23And25Hours(t *testing.T) {
	for _, tc := range []struct {
		zone  string
		day   string
		hours float64
		begin string
	}{
		{"Europe/Berlin", "2026-03-29", 23, "2026-03-28T23:00:00Z"},
		{"Europe/Berlin", "2026-10-25", 25, "2026-10-24T22:00:00Z"},
		{"America/New_York", "2026-03-08", 23, "2026-03-08T05:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-05", 24.5, "2026-04-04T13:00:00Z"},
		{"Australia/Lord_Howe", "2026-10-04", 23.5, "2026-10-03T13:30:00Z"},
		{"Asia/Kathmandu", "2026-01-01", 24, "2025-12-31T18:15:00Z"},
		{"Asia/Beirut", "2026-03-29", 23, "2026-03-28T22:00:00Z"}, // Its midnight does not exist.
	} {
		loc, err := time.LoadLocation(tc.zone)
		require.NoError(t, err)
		noon, err := time.ParseInLocation("2006-01-02 15", tc.day+" 12", loc)
		require.NoError(t, err)
		cal := newCalendar(Day, loc, noon.Unix(), noon.Unix()+1)
		label := cal.label(noon.Unix())
		require.Equal(t, tc.begin, time.Unix(cal.start(label), 0).UTC().Format(time.RFC3339), tc.zone)
		require.InDelta(t, tc.hours, float64(cal.end(label)-cal.start(label))/3600, 0, tc.zone)
	}
}

// A clock that is set back by half an hour cuts an hour in two.
func TestHoursOfLordHowe(t *testing.T) {
	loc, err := time.LoadLocation("Australia/Lord_Howe")
	require.NoError(t, err)
	from := time.Date(2026, 4, 4, 13, 30, 0, 0, time.UTC)
	cal := newCalendar(Hour, loc, from.Unix(), from.Add(3*time.Hour).Unix())
	var starts []string
	for _, l := range cal.labels() {
		starts = append(starts, time.Unix(cal.start(l), 0).In(loc).Format("15:04:05 -0700"))
		require.Equal(t, l, cal.label(cal.start(l)))
		require.Equal(t, l, cal.label(cal.end(l)-1))
	}
	require.Equal(t, []string{"00:00:00 +1100", "01:00:00 +1100", "01:30:00 +1030", "02:00:00 +1030"}, starts)
}

// Labels, bucket lists and the wall clock of Go's time package agree.
func TestCalendarAgreesWithTheWallClock(t *testing.T) {
	zones := append([]string{"Africa/Casablanca", "Asia/Beirut", "Pacific/Chatham", "America/St_Johns", "Pacific/Apia"}, testZones...)
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		require.NoError(t, err)
		g := Granularity(rapid.SampledFrom(granularities).Draw(t, "g"))
		from := rapid.Int64Range(at("2012-01-01 00:00:00")/1000, at("2060-01-01 00:00:00")/1000).Draw(t, "from")
		length := rapid.Int64Range(1, 400*max(g.width(), secondsPerDay/10)).Draw(t, "length")
		cal := newCalendar(g, loc, from, from+length)
		ts := from + rapid.Int64Range(0, length-1).Draw(t, "ts")
		label := cal.label(ts)
		moment := time.Unix(ts, 0).In(loc)
		if start := bucketStart(g, moment); g.width() > 0 || !nonexistent(start, moment) {
			require.Equal(t, start.Unix(), cal.start(label), moment)
		}
		require.LessOrEqual(t, cal.start(label), ts)
		require.Greater(t, cal.end(label), ts)
		labels := cal.labels()
		require.Contains(t, labels, label)
		require.LessOrEqual(t, int64(len(labels)), cal.points())
		for i := range labels[1:] {
			require.Equal(t, cal.end(labels[i]), cal.start(labels[i+1]))
		}
	})
}

// nonexistent says that time.Date had to make up a midnight.
func nonexistent(start, moment time.Time) bool {
	h, m, s := start.Clock()
	return h != 0 || m != 0 || s != 0 || start.After(moment)
}

// The database cuts time as Go does.
func TestSQLAgreesWithTheCalendar(t *testing.T) {
	s := querytest.New(t)
	for _, zone := range append([]string{"Africa/Casablanca", "Africa/Monrovia"}, testZones...) {
		for _, g := range granularities {
			for _, begin := range []string{"1970-01-01 00:00:00", "1972-01-01 00:00:00", "2026-03-20 05:07:09", "2026-09-28 00:00:00", "2099-12-01 00:00:00"} {
				loc, err := time.LoadLocation(zone)
				require.NoError(t, err)
				from := at(begin) / 1000
				const step, n = 1021, 2600
				cal := newCalendar(Granularity(g), loc, from, from+step*n)
				var got proto.ColInt64
				var labels []int64
				err = s.Client.Do(t.Context(), clickhouse.Query{
					SQL:    fmt.Sprintf("SELECT toInt64(%s) AS label FROM (SELECT toInt64(number * %d + %d) AS ts FROM numbers(%d)) ORDER BY ts", cal.sql("ts"), step, from, n),
					Result: proto.Results{{Name: "label", Data: &got}},
					OnResult: func(context.Context, proto.Block) error {
						labels = append(labels, got...)
						return nil
					},
				})
				require.NoError(t, err)
				require.Len(t, labels, n)
				for i, l := range labels {
					require.Equal(t, cal.label(from+int64(i)*step), l, "%s %s %s", zone, g, time.Unix(from+int64(i)*step, 0).In(loc))
				}
			}
		}
	}
}
