package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/backend/stats/significance"
)

// planted makes executions of which version 2 is slower by half than version 1 and
// fails more, and version 3 is like version 1. The first are of ann, the others of
// bob.
func planted(from time.Time) []event.Event {
	r := rand.New(rand.NewPCG(8, 8))
	var out []event.Event
	for i := range 1200 {
		e := executionAt(fmt.Sprint("x", i), "billing", from.Add(time.Duration(i)*time.Minute))
		e.WorkflowVersion = 1 + uint32(i%3)
		slower, fails := 1.0, 0.05
		if e.WorkflowVersion == 2 {
			slower, fails = 1.5, 0.2
		}
		if e.Duration = int64(slower * 60_000 * math.Exp(r.NormFloat64()*0.5)); i%50 == 0 {
			e.Duration = 0
		}
		if r.Float64() < fails {
			e.Status = event.StatusFailed
		}
		if e.UserID = "bob"; i < 300 {
			e.UserID = "ann"
		}
		out = append(out, e)
	}
	return out
}

// recountSides compares from the events alone.
func recountSides(events []event.Event, baseline, candidate func(*event.Event) bool) (success, duration significance.Test, n [2]uint64) {
	var p [2]significance.Proportion
	var samples [2][]float64
	for i := range events {
		for k, belongs := range []func(*event.Event) bool{baseline, candidate} {
			if e := &events[i]; belongs(e) {
				p[k].Trials++
				if e.Status == event.StatusCompleted {
					p[k].Successes++
				}
				samples[k] = append(samples[k], float64(event.DurationBucket(e.Duration)))
			}
		}
	}
	return significance.CompareProportions(p[0], p[1]), significance.MannWhitney(significance.Of(samples[0]), significance.Of(samples[1])), [2]uint64{p[0].Trials, p[1].Trials}
}

func TestComparisonOfVersions(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 1, 9, 7, 0, 0, time.UTC)
	events := planted(from)
	s.Insert(t, events...)
	s.Settle(t)
	e := newSettled(t, s, from.Add(1000*time.Hour), Limits{})
	ask := func(p access.Principal, baseline, candidate string) *Result {
		res, err := e.Do(t.Context(), p, Request{
			Kind: KindComparison, From: from, To: from.Add(30 * time.Hour), Filters: []Filter{workflowIs("billing")},
			Params: map[string]string{"baseline": baseline, "candidate": candidate},
		})
		require.NoError(t, err)
		likeItsInfo(t, res.Frame, comparisonFields)
		return res
	}
	for _, c := range []struct {
		p     access.Principal
		users []string
	}{{admin, []string{"ann", "bob"}}, {viewer("ann"), []string{"ann"}}} {
		version := func(v uint32) func(*event.Event) bool {
			return func(e *event.Event) bool {
				return e.WorkflowVersion == v && (e.UserID == "ann" || len(c.users) > 1)
			}
		}
		res := ask(c.p, "1", "2")
		success, duration, n := recountSides(events, version(1), version(2))
		require.Equal(t, []string{"success_rate", "duration", "cost_per_execution"}, field[string](t, res.Frame, "measure"))
		p := field[*float64](t, res.Frame, "p_value")
		require.InDelta(t, success.P, *p[0], 1e-12)
		require.InDelta(t, duration.P, *p[1], 1e-12)
		require.Equal(t, []string{success.Name, duration.Name, ""}, field[string](t, res.Frame, "test"))
		require.Equal(t, []int64{int64(n[0]), int64(n[0]), 0}, field[int64](t, res.Frame, "baseline_executions"))
		require.Equal(t, []int64{int64(n[1]), int64(n[1]), 0}, field[int64](t, res.Frame, "candidate_executions"))
	}
	res := ask(admin, "1", "2")
	require.Equal(t, []string{"worse", "worse", "no evidence"}, field[string](t, res.Frame, "verdict"))
	ratio, low, high := field[*float64](t, res.Frame, "ratio")[1], field[*float64](t, res.Frame, "ratio_low")[1], field[*float64](t, res.Frame, "ratio_high")[1]
	require.InDelta(t, 1.5, *ratio, 0.12)
	require.True(t, *low < 1.5 && 1.5 < *high, "%g %g", *low, *high)
	require.Nil(t, field[*float64](t, res.Frame, "ratio")[0])
	baseline, difference := field[*float64](t, res.Frame, "baseline")[1], field[*float64](t, res.Frame, "difference")[1]
	require.InDelta(t, *baseline*(*ratio-1), *difference, 1e-6)
	require.Equal(t, []string{"better", "better", "no evidence"}, field[string](t, ask(admin, "2", "1").Frame, "verdict"))
	require.Equal(t, []string{"no evidence", "no evidence", "no evidence"}, field[string](t, ask(admin, "1", "3").Frame, "verdict"))

	// Nothing to compare with is no evidence, and no figure.
	for _, none := range []*Result{ask(admin, "1", "7"), ask(viewer("cem"), "1", "2")} {
		require.Equal(t, []string{"no evidence", "no evidence", "no evidence"}, field[string](t, none.Frame, "verdict"))
		require.Equal(t, []*float64{nil, nil, nil}, field[*float64](t, none.Frame, "p_value"))
		require.Equal(t, []*float64{nil, nil, nil}, field[*float64](t, none.Frame, "candidate"))
	}
}

// Version 2 costs a dollar more; what has no record cost 0, and what others paid for,
// or for another execution, does not count.
func TestComparisonOfCosts(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 1, 9, 7, 0, 0, time.UTC)
	r := rand.New(rand.NewPCG(3, 1))
	events := planted(from)
	mine := map[uint32][]float64{}
	all := map[uint32][]float64{}
	for i := range events {
		x := events[i]
		cents := uint64(r.IntN(300))
		if x.WorkflowVersion == 2 {
			cents += 100
		}
		if i%10 == 0 {
			cents = 0
		} else {
			cost := event.Event{
				Kind: event.KindCost, Tenant: "acme", ID: "c" + x.ID, Time: x.Time + 1000, ExecutionID: x.ID, WorkflowID: "billing",
				UserID: x.UserID, Dollars: event.Decimal{Lo: cents * 10_000_000_000_000},
			}
			stray := cost
			stray.ID, stray.ExecutionID = "s"+x.ID, "nobody"
			events = append(events, cost, stray)
		}
		all[x.WorkflowVersion] = append(all[x.WorkflowVersion], float64(cents)/100)
		if x.UserID == "ann" {
			mine[x.WorkflowVersion] = append(mine[x.WorkflowVersion], float64(cents)/100)
		}
	}
	s.Insert(t, events...)
	s.Settle(t)
	e := newSettled(t, s, from.Add(1000*time.Hour), Limits{})
	for _, c := range []struct {
		p     access.Principal
		costs map[uint32][]float64
	}{{admin, all}, {viewer("ann"), mine}} {
		res, err := e.Do(t.Context(), c.p, Request{
			Kind: KindComparison, From: from, To: from.Add(30 * time.Hour), Filters: []Filter{workflowIs("billing")},
			Params: map[string]string{"baseline": "1", "candidate": "2"},
		})
		require.NoError(t, err)
		test, interval := significance.Welch(significance.MomentsOf(significance.Of(c.costs[1])), significance.MomentsOf(significance.Of(c.costs[2])), 0.95)
		require.InDelta(t, test.P, *field[*float64](t, res.Frame, "p_value")[2], 1e-9)
		require.InDelta(t, interval.Low, *field[*float64](t, res.Frame, "difference_low")[2], 1e-9)
		require.InDelta(t, significance.MomentsOf(significance.Of(c.costs[1])).Mean, *field[*float64](t, res.Frame, "baseline")[2], 1e-9)
		require.Equal(t, int64(len(c.costs[2])), field[int64](t, res.Frame, "candidate_executions")[2])
		require.Equal(t, "worse", field[string](t, res.Frame, "verdict")[2])
		require.Empty(t, res.Meta.Notices)
	}
}

func TestComparisonOfPeriods(t *testing.T) {
	s := querytest.New(t)
	from := utc(2026, 3, 1)
	var events []event.Event
	for i, e := range planted(from) {
		if e.WorkflowVersion == 2 { // A day later: the second day is worse.
			e.Time += 24 * 3600 * 1000
		} else if e.Time >= from.Add(10*time.Hour).UnixMilli() {
			continue
		}
		e.ID = strconv.Itoa(i)
		events = append(events, e)
	}
	s.Insert(t, events...)
	s.Settle(t)
	e := newEngine(t, s, utc(2026, 4, 1), Limits{})
	day := func(d int) func(*event.Event) bool {
		return func(e *event.Event) bool {
			return e.Time >= utc(2026, 3, d).UnixMilli() && e.Time < utc(2026, 3, d+1).UnixMilli()
		}
	}
	success, duration, _ := recountSides(events, day(1), day(2))
	for _, baseline := range []string{"", "previous_period", "previous_day", "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z"} {
		params := map[string]string{"subject": "periods", "baseline": baseline}
		if baseline == "" {
			delete(params, "baseline")
		}
		res, err := e.Do(t.Context(), admin, Request{Kind: KindComparison, From: utc(2026, 3, 2), To: utc(2026, 3, 3), Params: params})
		require.NoError(t, err)
		require.InDelta(t, success.P, *field[*float64](t, res.Frame, "p_value")[0], 1e-12)
		require.InDelta(t, duration.P, *field[*float64](t, res.Frame, "p_value")[1], 1e-12)
		require.Equal(t, []string{"worse", "worse", "no evidence"}, field[string](t, res.Frame, "verdict"))
		require.GreaterOrEqual(t, *field[*float64](t, res.Frame, "p_adjusted")[0], *field[*float64](t, res.Frame, "p_value")[0])
	}
}

func TestComparisonRefuses(t *testing.T) {
	e := offline(t, utc(2026, 1, 1))
	for _, c := range []struct {
		param  string
		params map[string]string
		filter []Filter
	}{
		{"params.baseline", map[string]string{"candidate": "2"}, []Filter{workflowIs("a")}},
		{"params.candidate", map[string]string{"baseline": "2"}, []Filter{workflowIs("a")}},
		{"params.candidate", map[string]string{"baseline": "2", "candidate": "2"}, []Filter{workflowIs("a")}},
		{"params.baseline", map[string]string{"baseline": "x", "candidate": "2"}, []Filter{workflowIs("a")}},
		{"filters", map[string]string{"baseline": "1", "candidate": "2"}, nil},
		{"params.subject", map[string]string{"subject": "users"}, nil},
		{"params.baseline", map[string]string{"subject": "periods", "baseline": "last"}, nil},
		{"params.baseline", map[string]string{"subject": "periods", "baseline": "a/b"}, nil},
		{"params.candidate", map[string]string{"subject": "periods", "candidate": "2"}, nil},
	} {
		_, err := e.Do(t.Context(), admin, Request{Kind: KindComparison, From: utc(2025, 1, 1), To: utc(2025, 1, 2), Params: c.params, Filters: c.filter})
		var wrong *RequestError
		require.ErrorAs(t, err, &wrong, fmt.Sprint(c))
		require.Equal(t, c.param, wrong.Param, fmt.Sprint(c))
	}
}
