package query

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func at(text string) int64 {
	t, err := time.Parse("2006-01-02 15:04:05.999", text)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func between(from, to string) span { return span{at(from), at(to)} }

func TestPlan(t *testing.T) {
	for _, tc := range []struct {
		name        string
		period      span
		granularity Granularity
		zone        string
		users       bool
		unsettled   []string
		want        []segment
	}{
		{
			name: "whole days", period: between("2026-03-01 00:00:00", "2026-03-03 00:00:00"),
			want: []segment{{levelDay, []span{between("2026-03-01 00:00:00", "2026-03-03 00:00:00")}}},
		},
		{
			name: "edges of every width", period: between("2026-03-01 22:44:59.5", "2026-03-03 00:16:00.001"),
			want: []segment{
				{levelDay, []span{between("2026-03-02 00:00:00", "2026-03-03 00:00:00")}},
				{levelQuarter, []span{between("2026-03-01 22:45:00", "2026-03-02 00:00:00"), between("2026-03-03 00:00:00", "2026-03-03 00:15:00")}},
				{levelMinute, []span{between("2026-03-03 00:15:00", "2026-03-03 00:16:00")}},
				{levelRaw, []span{between("2026-03-01 22:44:59.5", "2026-03-01 22:45:00"), between("2026-03-03 00:16:00", "2026-03-03 00:16:00.001")}},
			},
		},
		{
			name: "users have no minutes", period: between("2026-03-01 22:44:00", "2026-03-01 23:00:00"), users: true,
			want: []segment{
				{levelQuarterUser, []span{between("2026-03-01 22:45:00", "2026-03-01 23:00:00")}},
				{levelRaw, []span{between("2026-03-01 22:44:00", "2026-03-01 22:45:00")}},
			},
		},
		{
			name: "hours are made of quarters", period: between("2026-03-01 00:00:00", "2026-03-02 00:00:00"), granularity: Hour,
			want: []segment{{levelQuarter, []span{between("2026-03-01 00:00:00", "2026-03-02 00:00:00")}}},
		},
		{
			name: "days of Berlin are made of quarters", period: between("2026-03-01 00:00:00", "2026-03-02 00:00:00"), granularity: Day, zone: "Europe/Berlin",
			want: []segment{{levelQuarter, []span{between("2026-03-01 00:00:00", "2026-03-02 00:00:00")}}},
		},
		{
			name: "days of Kathmandu too", period: between("2026-03-01 00:00:00", "2026-03-02 00:00:00"), granularity: Week, zone: "Asia/Kathmandu",
			want: []segment{{levelQuarter, []span{between("2026-03-01 00:00:00", "2026-03-02 00:00:00")}}},
		},
		{
			name: "a zone that is UTC all the time", period: between("2026-03-01 00:00:00", "2026-03-02 00:00:00"), granularity: Month, zone: "Africa/Abidjan",
			want: []segment{{levelDay, []span{between("2026-03-01 00:00:00", "2026-03-02 00:00:00")}}},
		},
		{
			name: "an offset of half a minute", period: between("1971-03-01 00:00:00", "1971-03-02 00:00:00"), granularity: Hour, zone: "Africa/Monrovia",
			want: []segment{{levelRaw, []span{between("1971-03-01 00:00:00", "1971-03-02 00:00:00")}}},
		},
		{
			name: "minutes of users are raw", period: between("2026-03-01 00:00:00", "2026-03-02 00:00:00"), granularity: Minute, users: true,
			want: []segment{{levelRaw, []span{between("2026-03-01 00:00:00", "2026-03-02 00:00:00")}}},
		},
		{
			name: "an unsettled minute", period: between("2026-03-01 00:00:00", "2026-03-03 00:00:00"),
			unsettled: []string{"2026-03-02 12:01:00"},
			want: []segment{
				{levelDay, []span{between("2026-03-01 00:00:00", "2026-03-02 00:00:00")}},
				{levelQuarter, []span{between("2026-03-02 00:00:00", "2026-03-02 12:00:00"), between("2026-03-02 12:15:00", "2026-03-03 00:00:00")}},
				{levelMinute, []span{between("2026-03-02 12:00:00", "2026-03-02 12:01:00"), between("2026-03-02 12:02:00", "2026-03-02 12:15:00")}},
				{levelRaw, []span{between("2026-03-02 12:01:00", "2026-03-02 12:02:00")}},
			},
		},
		{
			name: "unsettled minutes of one bucket and of a later one", period: between("2026-03-01 00:00:00", "2026-03-01 01:00:00"), users: true,
			unsettled: []string{"2026-03-01 00:01:00", "2026-03-01 00:02:00", "2026-03-01 00:31:00"},
			want: []segment{
				{levelQuarterUser, []span{between("2026-03-01 00:15:00", "2026-03-01 00:30:00"), between("2026-03-01 00:45:00", "2026-03-01 01:00:00")}},
				{levelRaw, []span{between("2026-03-01 00:00:00", "2026-03-01 00:15:00"), between("2026-03-01 00:30:00", "2026-03-01 00:45:00")}},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			loc, err := time.LoadLocation(tc.zone)
			require.NoError(t, err)
			cal := newCalendar(tc.granularity, loc, tc.period.from/1000, (tc.period.to+999)/1000)
			var unsettled []int64
			for _, u := range tc.unsettled {
				unsettled = append(unsettled, at(u)/1000)
			}
			require.Equal(t, tc.want, plan(tc.period, cal, tc.users, unsettled))
		})
	}
}

// Segments never overlap, cover the period, hold whole buckets, and no rolled-up
// one holds an unsettled minute.
func TestPlanCovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(0, 4_000_000_000_000).Draw(t, "from")
		p := span{from, from + rapid.Int64Range(1, 4*86_400_000).Draw(t, "length")}
		loc, err := time.LoadLocation(rapid.SampledFrom(testZones).Draw(t, "zone"))
		require.NoError(t, err)
		cal := newCalendar(Granularity(rapid.SampledFrom(append([]string{""}, granularities...)).Draw(t, "g")), loc, p.from/1000, (p.to+999)/1000)
		unsettled := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 {
			return floorTo(rapid.Int64Range(p.from-86_400_000, p.to+86_400_000).Draw(t, "m"), 60_000) / 1000
		}), 0, 5).Draw(t, "unsettled")
		slices.Sort(unsettled)
		var all []span
		for _, seg := range plan(p, cal, rapid.Bool().Draw(t, "users"), unsettled) {
			for _, s := range seg.spans {
				all = append(all, s)
				if seg.level == levelRaw {
					continue
				}
				width := seg.level.width() * 1000
				require.Zero(t, s.from%width)
				require.Zero(t, s.to%width)
				for _, u := range unsettled {
					require.False(t, u*1000 >= s.from && u*1000 < s.to, "unsettled minute in %v", seg)
				}
			}
		}
		total := int64(0)
		for _, s := range all {
			total += s.to - s.from
		}
		require.Equal(t, p.to-p.from, total)
		require.Equal(t, []span{p}, join(all))
	})
}

func TestReadable(t *testing.T) {
	m := func(texts ...string) (out []int64) {
		for _, s := range texts {
			out = append(out, at(s)/1000)
		}
		return out
	}
	pending := m("2026-03-01 09:59:00", "2026-03-01 10:00:00", "2026-03-01 10:20:00", "2026-03-01 11:00:00")
	p := between("2026-03-01 10:00:30", "2026-03-01 11:00:00")
	require.Equal(t, m("2026-03-01 10:00:00", "2026-03-01 10:20:00"), readable(pending, p, false, 2))
	require.Nil(t, readable(pending, p, false, 1))
	require.Equal(t, m("2026-03-01 10:00:00", "2026-03-01 10:20:00"), readable(pending, p, true, 30))
	require.Nil(t, readable(pending, p, true, 29))
	require.Nil(t, readable(nil, p, true, 29))
	require.Nil(t, readable(pending, p, false, -1))
}
