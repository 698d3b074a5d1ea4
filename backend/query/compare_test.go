package query

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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

func TestCounterparts(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		granularity    Granularity
		from, to       time.Time
		compare        Compare
		previous, want []string // some buckets of the comparison, and where they belong
		length         int
	}{
		"5.37 days by hour": {
			Hour, time.Date(2026, 6, 10, 10, 20, 0, 0, berlin), time.Date(2026, 6, 15, 19, 12, 48, 0, berlin), PreviousPeriod,
			[]string{"05 01:00", "05 02:00", "10 10:00"},
			[]string{"10 10:00", "10 11:00", "15 19:00"},
			130,
		},
		"one bucket more than the question has": {
			Hour, time.Date(2026, 6, 10, 10, 10, 0, 0, berlin), time.Date(2026, 6, 10, 12, 0, 0, 0, berlin), PreviousPeriod,
			[]string{"10 08:00", "10 10:00"},
			[]string{"10 10:00", "10 12:00"},
			3,
		},
		"a shorter month": {
			Day, time.Date(2026, 3, 1, 0, 0, 0, 0, berlin), time.Date(2026, 4, 1, 0, 0, 0, 0, berlin), PreviousMonth,
			[]string{"01 00:00", "28 00:00"},
			[]string{"01 00:00", "28 00:00"},
			28,
		},
		"a longer month": {
			Day, time.Date(2026, 4, 1, 0, 0, 0, 0, berlin), time.Date(2026, 5, 1, 0, 0, 0, 0, berlin), PreviousMonth,
			[]string{"29 00:00", "31 00:00"},
			[]string{"29 00:00", "01 00:00"},
			31,
		},
		"an hour that the clock leaves out": {
			Hour, time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), time.Date(2026, 3, 30, 0, 0, 0, 0, berlin), PreviousDay,
			[]string{"28 01:00", "28 02:00", "28 03:00", "28 23:00"},
			[]string{"29 01:00", "29 03:30", "29 03:00", "29 23:00"},
			24,
		},
		"an hour that the clock shows twice": {
			Hour, time.Date(2026, 10, 26, 0, 0, 0, 0, berlin), time.Date(2026, 10, 27, 0, 0, 0, 0, berlin), PreviousDay,
			[]string{"25 02:00", "25 02:00 again", "25 03:00"},
			[]string{"26 02:00", "26 02:30", "26 03:00"},
			25,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := &question{granularity: tc.granularity, from: tc.from, to: tc.to, loc: berlin}
			now, before := q.calendar(), q.shifted(tc.compare).calendar()
			labels := counterparts(now, before, berlin)
			require.Len(t, labels, tc.length)
			got := map[string]string{}
			for _, l := range before.labels() {
				show := func(at int64) string { return time.Unix(at, 0).In(berlin).Format("02 15:04") }
				at := show(before.start(l))
				if _, twice := got[at]; twice {
					at += " again"
				}
				got[at] = show(now.start(labels[l]))
			}
			for i, p := range tc.previous {
				require.Equal(t, tc.want[i], got[p], p)
			}
		})
	}
}

// Every bucket of the comparison has a place of its own, the first one the first.
func TestCounterpartsLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(testZones).Draw(t, "zone"))
		require.NoError(t, err)
		g := Granularity(rapid.SampledFrom(granularities).Draw(t, "granularity"))
		from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 300*secondsPerDay).Draw(t, "from")) * time.Second)
		longest := int64(40 * secondsPerDay)
		if g.width() > 0 {
			longest = min(longest, 2000*g.width())
		}
		to := from.Add(time.Duration(rapid.Int64Range(1, longest).Draw(t, "length")) * time.Second)
		q := &question{granularity: g, from: from, to: to, loc: loc}
		now, before := q.calendar(), q.shifted(Compare(rapid.SampledFrom(comparisons).Draw(t, "compare"))).calendar()
		labels, previous := counterparts(now, before, loc), before.labels()
		seen := map[int64]bool{}
		for _, p := range previous {
			l, ok := labels[p]
			require.True(t, ok)
			require.False(t, seen[l], "two buckets in one place")
			seen[l] = true
		}
		if len(previous) > 0 {
			require.Equal(t, now.label(now.from), labels[previous[0]])
		}
	})
}

// Whatever the period and the buckets, those of a comparison sum to its whole.
func TestComparedBucketsSumToTheWhole(t *testing.T) {
	start := time.Date(2026, 3, 20, 9, 0, 0, 0, time.UTC)
	const length = 20 * 24 * time.Hour // with the changes of the clock in Berlin and in Lord Howe
	s := querytest.New(t)
	s.Insert(t, sampleEvents(start, length, 400, 5)...)
	s.Settle(t)
	e := newEngine(t, s, start.Add(3*length), Limits{})
	rapid.Check(t, func(t *rapid.T) {
		r := Request{
			Metrics:     []string{"executions", "executions_failed", "cost_records", "credits"},
			Granularity: Granularity(rapid.SampledFrom(granularities).Draw(t, "granularity")),
			TimeZone:    rapid.SampledFrom(testZones).Draw(t, "zone"),
			Compare:     Compare(rapid.SampledFrom(comparisons[:4]).Draw(t, "compare")),
			GroupBy:     rapid.SampledFrom([][]string{nil, {"workflow"}, {"workflow", "user"}}).Draw(t, "groupBy"),
		}
		r.From = start.Add(time.Duration(rapid.Int64Range(int64(length/3), int64(length)).Draw(t, "from")))
		longest := int64(length)
		if r.Granularity == Minute {
			longest = int64(24 * time.Hour)
		}
		r.To = r.From.Add(time.Duration(rapid.Int64Range(int64(time.Minute), longest).Draw(t, "length")))
		sum := func(r Request) map[string]string {
			res, err := e.Do(testContext(t), admin, r)
			require.NoError(t, err)
			sums := map[string]event.Decimal{}
			for _, f := range res.Frame.Fields {
				if !strings.HasSuffix(f.Name, previousSuffix) {
					continue
				}
				sums[f.Name] = event.Decimal{}
				for row := range res.Frame.Rows() {
					if text := textOf(res, f, row); text != "" && text != "none" {
						d, err := event.ParseDecimal([]byte(text))
						require.NoError(t, err)
						sums[f.Name] = sums[f.Name].Add(d)
					}
				}
			}
			out := map[string]string{}
			for name, d := range sums {
				out[name] = d.String()
			}
			return out
		}
		whole := r
		whole.Granularity = Whole
		require.Equal(t, sum(whole), sum(r), "%+v", r)
	})
}
