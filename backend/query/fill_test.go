package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Filled, an answer has every bucket for each of its groups: the rows that it had, as
// they were, and between them the figures of nothing, or none.
func TestFill(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC) // A day of 23 hours in Berlin.
	s.Insert(t, sampleEvents(from.Add(2*time.Hour), 9*time.Hour, 60, 5)...)
	s.Settle(t)
	now := from.Add(20*time.Hour + 10*time.Minute)
	e := newEngine(t, s, now, Limits{})
	key := func(f *data.Frame, row int) string { return fmt.Sprint(f.At(0, row), "|", f.At(1, row)) }
	for _, compare := range []Compare{NoCompare, PreviousDay} {
		r := Request{
			Metrics: []string{"executions", "success_rate", "duration_p95"}, From: from, To: from.Add(23 * time.Hour), Granularity: Hour,
			TimeZone: "Europe/Berlin", GroupBy: []string{"workflow"}, Compare: compare,
		}
		plain, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		had, groups := map[string]int{}, map[any]bool{}
		for row := range plain.Frame.Rows() {
			had[key(plain.Frame, row)] = row
			groups[plain.Frame.At(1, row)] = true
		}
		for _, fill := range []Fill{FillNone, FillNull, FillZero} {
			r.Fill = fill
			res, err := e.Do(t.Context(), admin, r)
			require.NoError(t, err)
			if fill == FillNone {
				require.Equal(t, plain.Frame, res.Frame)
				continue
			}
			f := res.Frame
			require.Equal(t, 23*len(groups), f.Rows())
			found := 0
			for row := range f.Rows() {
				if row > 0 {
					a, b := f.At(0, row-1).(time.Time), f.At(0, row).(time.Time)
					require.True(t, a.Before(b) || a.Equal(b) && f.At(1, row-1).(string) < f.At(1, row).(string), "in order")
				}
				if was, ok := had[key(f, row)]; ok {
					found++
					require.Equal(t, plain.Frame.At(3, was), f.At(3, row))
					if v := plain.Frame.At(2, was).(*float64); v != nil {
						require.Equal(t, v, f.At(2, row))
					}
					continue
				}
				figures := []string{textOf(res, f.Fields[2], row), textOf(res, f.Fields[3], row), textOf(res, f.Fields[4], row)}
				if fill == FillZero && !f.At(0, row).(time.Time).After(now) {
					require.Equal(t, []string{"0", "none", "none"}, figures)
				} else {
					require.Equal(t, []string{"none", "none", "none"}, figures)
				}
			}
			require.Equal(t, len(had), found)
		}
	}
}

func TestFillOfNothing(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	e := newEngine(t, s, from.AddDate(1, 0, 0), Limits{Rows: 300})
	r := Request{Metrics: []string{"dollars", "executions"}, From: from, To: from.AddDate(0, 0, 10), Granularity: Day, Fill: FillZero}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, 10, res.Frame.Rows())
	require.Equal(t, "0", res.Exact["dollars"][3])
	require.Equal(t, "0", textOf(res, res.Frame.Fields[2], 9))
	for _, bad := range []Request{
		{Metrics: r.Metrics, From: r.From, To: r.To, Fill: FillZero},
		{Metrics: r.Metrics, From: r.From, To: r.To, Granularity: Day, Fill: "last"},
	} {
		_, err := e.Do(t.Context(), admin, bad)
		var wrong *RequestError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, "fill", wrong.Param)
		require.NotEmpty(t, wrong.Allowed)
	}
}

// What filling adds is bounded, as rows are.
func TestFillIsBounded(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s.Insert(t, sampleEvents(from, time.Hour, 30, 6)...)
	s.Settle(t)
	e := newEngine(t, s, from.AddDate(1, 0, 0), Limits{Rows: 300})
	r := Request{Metrics: []string{"executions"}, From: from, To: from.AddDate(0, 0, 10), Granularity: Hour, GroupBy: []string{"workflow"}}
	_, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	r.Fill = FillNull
	_, err = e.Do(t.Context(), admin, r)
	require.ErrorContains(t, err, "filled")
}

// The bucket in which now lies is where what is partial begins.
func TestPartialFrom(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	e := newEngine(t, s, from.Add(36*time.Hour), Limits{})
	for _, tc := range []struct {
		granularity Granularity
		to          time.Time
		want        time.Time
	}{
		{Day, from.AddDate(0, 0, 3), from.AddDate(0, 0, 1)},
		{Day, from.AddDate(0, 0, 1), time.Time{}},
		{Hour, from.AddDate(0, 0, 3), from.Add(36 * time.Hour)},
		{Whole, from.AddDate(0, 0, 3), from},
		{Whole, from.AddDate(0, 0, 1), time.Time{}},
	} {
		res, err := e.Do(t.Context(), admin, Request{Metrics: []string{"executions"}, From: from, To: tc.to, Granularity: tc.granularity})
		require.NoError(t, err)
		require.True(t, tc.want.Equal(res.Meta.PartialFrom), "%s: %s", tc.granularity, res.Meta.PartialFrom)
		require.Equal(t, !tc.want.IsZero(), res.Meta.PartialPeriod)
	}
}
