package query

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/stats/significance"
)

const (
	confidence = 0.95
	level5     = 0.05
)

var comparisonParams = []ParamInfo{
	{Name: "subject", Default: "versions", Allowed: []string{"versions", "periods"}, Description: "Two versions of a workflow in one period, or two periods."},
	{Name: "baseline", Default: string(PreviousPeriod), Example: "3", Description: "What is compared with: of versions, a version's number; of periods, a comparison period (previous_period, previous_day, previous_week, previous_month, previous_year) or FROM/TO. Versions need it."},
	{Name: "candidate", Example: "4", Description: "What is compared: a version's number. Of periods, it is the request's."},
}

var comparisonFields = []FieldInfo{
	{"measure", "", "success_rate, duration or cost_per_execution, those of executions that ended."},
	{"unit", "", "Unit of the two values and of their difference."},
	{"baseline", "", "The baseline's value: the share of executions that succeeded, the median duration, or the mean cost in dollars."},
	{"candidate", "", "The candidate's value."},
	{"difference", "", "By how much the candidate is above the baseline. Of durations, the ratio less 1, of the baseline's median."},
	{"difference_low", "", "Lower end of its 95 % confidence interval."},
	{"difference_high", "", "Upper end of its 95 % confidence interval."},
	{"ratio", "", "Of durations: the median ratio of a candidate's duration to a baseline's, over all pairs."},
	{"ratio_low", "", "Lower end of its 95 % confidence interval."},
	{"ratio_high", "", "Upper end of its 95 % confidence interval."},
	{"test", "", "The test that was made."},
	{"p_value", "", "How probable a difference at least as large is if there is none."},
	{"p_adjusted", "", "The same, adjusted for the measures that are tested together (Holm)."},
	{"baseline_executions", "short", "Executions of the baseline that ended; for costs, those whose costs were read."},
	{"candidate_executions", "short", "Executions of the candidate that ended; for costs, those whose costs were read."},
	{"verdict", "", "better or worse where the adjusted probability is below 0.05 and the interval does not hold 0, else no evidence."},
}

var comparisonShape = shape{
	KindInfo: KindInfo{
		Kind: KindComparison, Title: "Comparison of versions or periods",
		Description: "Whether a version of a workflow, or a period, is better than another: for the success rate, the duration and the cost of an execution the difference with its confidence interval, a test, and a verdict among better, worse and no evidence. Versions need a filter that keeps one workflow.",
		Uses:        []string{"filters", "asOf"},
		Params:      comparisonParams,
		Fields:      comparisonFields,
	},
	answer: (*Engine).comparison,
}

// side is what is known of the baseline or of the candidate.
type side struct {
	completed, failed uint64
	durations         durationHistogram
	longest           float64
}

func (e *Engine) comparison(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	baseline, candidate, err := e.sides(p, r)
	if err != nil {
		return nil, err
	}
	w, err := e.begin(ctx, candidate)
	if err != nil {
		return nil, err
	}
	baseline.narrowSince = candidate.narrowSince
	var of [2]side
	for i, q := range []*question{baseline, candidate} {
		a, _, err := w.answer(ctx, q)
		if err != nil {
			return nil, err
		}
		of[i] = sideOf(a)
	}
	meta := w.meta(candidate, false)
	costs, err := e.costsOf(ctx, p, r, baseline, candidate, &meta)
	if err != nil {
		return nil, err
	}
	rows := []comparisonRow{compareSuccess(of[0], of[1]), compareDurations(of[0], of[1]), compareCosts(costs[0], costs[1])}
	judge(rows)
	if pending := w.meta(baseline, false).PendingBuckets; !baseline.from.Equal(candidate.from) {
		meta.PendingBuckets += pending
	}
	return &Result{Frame: comparisonFrame(rows), Exact: map[string][]string{}, Meta: meta}, nil
}

// costsOf reads the costs of both sides, where the periods are short enough to read
// events.
func (e *Engine) costsOf(ctx context.Context, p access.Principal, r Request, baseline, candidate *question, meta *Meta) (costs [2]*executionCosts, err error) {
	longest := max(baseline.to.Sub(baseline.from), candidate.to.Sub(candidate.from))
	if longest > e.limits.RawMetadata {
		meta.Notices = append(meta.Notices, "costs of single executions are read from the events themselves, up to "+
			strconv.Itoa(int(e.limits.RawMetadata.Hours()/24))+" days: they are not compared")
		return costs, nil
	}
	for i, side := range []struct {
		q    *question
		name string
	}{{baseline, "baseline"}, {candidate, "candidate"}} {
		ask := Request{From: side.q.from, To: side.q.to, TimeZone: r.TimeZone, Filters: slices.Clone(r.Filters)}
		if paramOf(comparisonParams, &r, "subject") == "versions" {
			ask.Filters = append(ask.Filters, Filter{Dimension: metric.Version, Operator: In, Values: []string{paramOf(comparisonParams, &r, side.name)}})
		}
		c, err := e.costs(ctx, p, side.q, ask)
		if err != nil {
			return costs, err
		}
		costs[i] = c
		meta.RowsRead, meta.SQL = meta.RowsRead+c.meta.RowsRead, append(meta.SQL, c.meta.SQL...)
		if len(c.values) < c.total {
			meta.Notices = append(meta.Notices, c.notice(side.name))
		}
	}
	return costs, nil
}

// sides makes the two questions.
func (e *Engine) sides(p access.Principal, r Request) (baseline, candidate *question, err error) {
	name, other := paramOf(comparisonParams, &r, "baseline"), paramOf(comparisonParams, &r, "candidate")
	ask := Request{Metrics: []string{"success_rate", "duration_p50"}, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters}
	if paramOf(comparisonParams, &r, "subject") == "periods" {
		if other != "" {
			return nil, nil, requestError("params.candidate", other, "of periods the candidate is the request's own", "")
		}
		if candidate, err = e.check(p, ask); err != nil {
			return nil, nil, err
		}
		baseline, err = e.baselinePeriod(p, ask, name)
		return baseline, candidate, err
	}
	sides := [2]*question{}
	for i, side := range []struct{ param, value string }{{"baseline", r.Params["baseline"]}, {"candidate", other}} {
		value := strings.TrimSpace(side.value)
		if _, err := strconv.ParseUint(value, 10, 32); err != nil {
			return nil, nil, requestError("params."+side.param, value, "name a version: a whole number from 0 to 4294967295", "3")
		}
		version := ask
		version.Filters = append([]Filter{{Dimension: metric.Version, Operator: In, Values: []string{value}}}, r.Filters...)
		if sides[i], err = e.check(p, version); err != nil {
			return nil, nil, err
		}
	}
	if err := sides[0].oneWorkflow(); err != nil {
		return nil, nil, err
	}
	if strings.TrimSpace(r.Params["baseline"]) == other {
		return nil, nil, requestError("params.candidate", other, "is the baseline: compare two versions", "4")
	}
	return sides[0], sides[1], nil
}

// baselinePeriod takes the name of a comparison period, or FROM/TO.
func (e *Engine) baselinePeriod(p access.Principal, ask Request, name string) (*question, error) {
	from, to, isPeriod := strings.Cut(name, "/")
	if !isPeriod {
		ask.Compare = Compare(name)
		q, err := e.check(p, ask)
		if err != nil {
			return nil, requestError("params.baseline", name, "no such comparison period, nor FROM/TO", string(PreviousWeek), comparisons...)
		}
		before := q.shifted(ask.Compare)
		if before.from.Before(earliest) {
			return nil, requestError("params.baseline", name, "the period to compare with lies before 1970", "")
		}
		return before, nil
	}
	var errFrom, errTo error
	ask.From, errFrom = time.Parse(time.RFC3339Nano, from)
	ask.To, errTo = time.Parse(time.RFC3339Nano, to)
	if errFrom != nil || errTo != nil {
		return nil, requestError("params.baseline", name, "not two moments", "2026-03-01T00:00:00Z/2026-03-08T00:00:00Z")
	}
	return e.check(p, ask)
}

// sideOf reads the aggregates of an answer of one row.
func sideOf(a *answer) side {
	var s side
	t := a.tables[metric.SourceExecutions]
	if t == nil || t.rows == 0 {
		return s
	}
	for i, name := range t.names {
		switch name {
		case "completed":
			s.completed = uint64(t.cells[i].ints[0])
		case "failed":
			s.failed = uint64(t.cells[i].ints[0])
		case "histogram":
			s.durations = t.cells[i].hists[0]
		case "longest":
			s.longest = float64(t.cells[i].ints[0])
		}
	}
	return s
}

// median is the catalogue's duration_p50.
func (s *side) median() float64 {
	bucket, ok := s.durations.nearestRank(50)
	if !ok {
		return math.NaN()
	}
	return min(event.BucketMidpoint(bucket)*1000, s.longest)
}

// bins are the durations on a logarithmic scale, where they lie evenly: 16 buckets
// to a doubling. Those of 0 lie below all.
func (s *side) bins() significance.Bins {
	var b significance.Bins
	for i, bucket := range s.durations.buckets {
		n := s.durations.counts[i]
		switch {
		case bucket == event.ZeroBucket:
			b.Low += n
			continue
		case b.Count == nil:
			b.First = int(bucket)
		}
		for len(b.Count) <= int(bucket)-b.First {
			b.Count = append(b.Count, 0)
		}
		b.Count[int(bucket)-b.First] += n
	}
	return b
}
