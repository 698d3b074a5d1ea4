package query

import (
	"math"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/stats/significance"
)

// Verdicts of a comparison.
const (
	verdictBetter = "better"
	verdictWorse  = "worse"
	verdictNone   = "no evidence"
)

// comparisonRow compares one measure. What is not known is NaN.
type comparisonRow struct {
	measure, unit       string
	higherIsBetter      bool
	baseline, candidate float64
	difference          float64
	interval            significance.Interval
	ratio               float64
	ratios              significance.Interval
	test                significance.Test
	adjusted            float64
	n                   [2]uint64
	verdict             string
}

// emptyRow is a measure of which nothing is known.
func emptyRow(measure, unit string) comparisonRow {
	nothing := math.NaN()
	none := significance.Interval{Low: nothing, High: nothing}
	return comparisonRow{
		measure: measure, unit: unit, baseline: nothing, candidate: nothing, difference: nothing, interval: none,
		ratio: nothing, ratios: none, test: significance.Test{P: nothing},
	}
}

func compareSuccess(a, b side) comparisonRow {
	baseline := significance.Proportion{Successes: a.completed, Trials: a.completed + a.failed}
	candidate := significance.Proportion{Successes: b.completed, Trials: b.completed + b.failed}
	row := emptyRow("success_rate", "percentunit")
	row.higherIsBetter = true
	row.baseline, row.candidate = baseline.Value(), candidate.Value()
	row.n = [2]uint64{baseline.Trials, candidate.Trials}
	if !row.both() {
		return row
	}
	row.difference = row.candidate - row.baseline
	row.interval = significance.Difference(baseline, candidate, confidence)
	row.test = significance.CompareProportions(baseline, candidate)
	return row
}

func compareDurations(a, b side) comparisonRow {
	row := emptyRow("duration", "ms")
	row.baseline, row.candidate = a.median(), b.median()
	row.n = [2]uint64{a.completed + a.failed, b.completed + b.failed}
	if !row.both() {
		return row
	}
	before, after := a.bins(), b.bins()
	row.test = significance.MannWhitney(before.Values(), after.Values())
	shift, interval := significance.BinnedShift(before, after, confidence)
	row.ratio = ratioOf(shift)
	row.ratios = significance.Interval{Low: ratioOf(interval.Low), High: ratioOf(interval.High)}
	row.difference = row.baseline * (row.ratio - 1)
	row.interval = significance.Interval{Low: row.baseline * (row.ratios.Low - 1), High: row.baseline * (row.ratios.High - 1)}
	return row
}

// ratioOf turns a number of buckets into the ratio of durations that far apart.
func ratioOf(buckets float64) float64 {
	return math.Exp2(buckets / (1 << event.DurationSchema))
}

func (r *comparisonRow) both() bool { return r.n[0] > 0 && r.n[1] > 0 }

// judge adjusts for the measures that could be tested, and gives the verdicts.
func judge(rows []comparisonRow) {
	var tested []int
	var p []float64
	for i := range rows {
		rows[i].adjusted, rows[i].verdict = math.NaN(), verdictNone
		if rows[i].both() {
			tested, p = append(tested, i), append(p, rows[i].test.P)
		}
	}
	for k, adjusted := range significance.Holm(p) {
		r := &rows[tested[k]]
		r.adjusted = adjusted
		// Ratios say the sign also where the baseline's median is 0.
		low, high := r.interval.Low, r.interval.High
		if !math.IsNaN(r.ratio) {
			low, high = r.ratios.Low-1, r.ratios.High-1
		}
		switch {
		case adjusted >= level5 || low <= 0 && high >= 0:
		case (low > 0) == r.higherIsBetter:
			r.verdict = verdictBetter
		default:
			r.verdict = verdictWorse
		}
	}
}

func comparisonFrame(rows []comparisonRow) *data.Frame {
	text := func(of func(*comparisonRow) string) []string {
		out := make([]string, len(rows))
		for i := range rows {
			out[i] = of(&rows[i])
		}
		return out
	}
	figure := func(of func(*comparisonRow) float64) []*float64 {
		out := make([]*float64, len(rows))
		for i := range rows {
			out[i] = finite(of(&rows[i]))
		}
		return out
	}
	size := func(side int) []int64 {
		out := make([]int64, len(rows))
		for i := range rows {
			out[i] = int64(rows[i].n[side])
		}
		return out
	}
	return frameOf(comparisonFields,
		text(func(r *comparisonRow) string { return r.measure }), text(func(r *comparisonRow) string { return r.unit }),
		figure(func(r *comparisonRow) float64 { return r.baseline }), figure(func(r *comparisonRow) float64 { return r.candidate }),
		figure(func(r *comparisonRow) float64 { return r.difference }),
		figure(func(r *comparisonRow) float64 { return r.interval.Low }), figure(func(r *comparisonRow) float64 { return r.interval.High }),
		figure(func(r *comparisonRow) float64 { return r.ratio }),
		figure(func(r *comparisonRow) float64 { return r.ratios.Low }), figure(func(r *comparisonRow) float64 { return r.ratios.High }),
		text(func(r *comparisonRow) string { return r.test.Name }),
		figure(func(r *comparisonRow) float64 { return r.test.P }), figure(func(r *comparisonRow) float64 { return r.adjusted }),
		size(0), size(1), text(func(r *comparisonRow) string { return r.verdict }))
}
