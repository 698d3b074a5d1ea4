// Package anomaly says what is unusual in a series: values far from what those at the same
// phase of its pattern, about the level of the last cycle, make one expect.
//
// Everything is a median or a quantile, so that past anomalies teach it little: the level is
// the median of one cycle, the pattern the median of what the same phase differed from it in
// up to eight cycles, and how far values usually are off is learned from the errors of the
// same prediction in the past (the Hampel identifier on seasonally adjusted values; Davies and
// Gather, 1993; Hochenbaum, Vallis and Kejariwal, 2017). Counts are judged by Anscombe's (1948)
// root, of which the noise does not depend on the level. docs/anomalies.md says more.
//
// It is pure mathematics: a value is judged by those before it alone, the same series gives the
// same answer, and no number is ever NaN or infinite.
package anomaly

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	cycles   = 8    // whose phase makes up the pattern, at most
	least    = 3    // of them at least
	window   = 24   // values that make up the level of a series without a pattern
	fewest   = 20   // past errors that a judgement needs
	memory   = 1000 // past errors that it looks at
	maxScore = 1e6
)

// Options say what is judged, and how.
type Options struct {
	From    int   // index of the first value to be judged; those before it are to learn from
	Seasons []int // lengths of likely patterns
	// FalseAlarms is the share of usual values that may be called unusual, above 0 and at most 0.5.
	FalseAlarms float64
	// Counts says that values count things which happen one by one.
	Counts bool
}

// Judgement is what one value is like.
type Judgement struct {
	Index                  int
	Expected, Lower, Upper float64
	// Score is the distance from what was expected, 1 is the bound.
	Score float64
}

// Unusual reports whether the value is beyond its bounds.
func (j *Judgement) Unusual() bool { return j.Score > 1 }

// Judged are judgements, and what they rest on.
type Judged struct {
	Values []Judgement // of values that are known, and have enough before them
	Season int         // length of the pattern; 0 is none
}

// Detect judges values, oldest first, NaN where one is missing.
func Detect(values []float64, o Options) (Judged, error) {
	if !(o.FalseAlarms > 0 && o.FalseAlarms <= 0.5) {
		return Judged{}, fmt.Errorf("the share of false alarms is %v: give more than 0 and at most 0.5, e.g. 0.001", o.FalseAlarms)
	}
	for i, v := range values {
		if math.IsInf(v, 0) {
			return Judged{}, fmt.Errorf("value %d is %v: give finite numbers, or NaN where one is missing", i+1, v)
		}
	}
	for _, season := range o.Seasons {
		if season < 1 {
			return Judged{}, fmt.Errorf("a season's length is %d: give the number of values after which a pattern repeats, e.g. 7", season)
		}
	}
	s := scaleOf(values, o.Counts)
	y := s.into(values)
	season, expected := choose(y, &o)
	return Judged{Values: s.judge(y, expected, &o), Season: season}, nil
}

// choose predicts with each pattern and with none, and takes what was the least wrong, over
// what is there to learn from, or all if that is too little.
func choose(y []float64, o *Options) (season int, expected []float64) {
	best := math.Inf(1)
	for _, candidate := range append([]int{0}, o.Seasons...) {
		if candidate == 1 {
			continue
		}
		p := predict(y, candidate)
		errors := errorsOf(y[:o.From], p[:o.From])
		if len(errors) < fewest {
			errors = errorsOf(y, p)
		}
		if len(errors) < fewest && expected != nil {
			continue
		}
		if off := typical(errors); expected == nil || off < best {
			season, expected, best = candidate, p, off
		}
	}
	return season, expected
}

// errorsOf are the sizes of the errors of what was predicted, in order of size.
func errorsOf(y, expected []float64) []float64 {
	var out []float64
	for t, e := range expected {
		if d := math.Abs(y[t] - e); !math.IsNaN(d) {
			out = append(out, d)
		}
	}
	slices.Sort(out)
	return out
}

// typical estimates the standard deviation of errors from their median and from the size that
// nine in ten do not exceed, and takes the larger: half of the errors may be none, and the tails
// of real figures are heavier than the normal distribution's.
func typical(sorted []float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := func(p float64) float64 { return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))] }
	return max(at(0.5)/distuv.UnitNormal.Quantile(0.75), at(0.9)/distuv.UnitNormal.Quantile(0.95))
}

// judge compares what is known with what was expected of it.
func (s *scale) judge(y, expected []float64, o *Options) []Judgement {
	var out []Judgement
	var past []float64 // errors so far, in order of size
	var order []float64
	for t := range y {
		if math.IsNaN(y[t]) || math.IsNaN(expected[t]) {
			continue
		}
		off := math.Abs(y[t] - expected[t])
		if t >= o.From && len(past) >= fewest {
			width := s.width(past, expected[t], o.FalseAlarms)
			out = append(out, Judgement{
				Index: t, Expected: s.outOf(expected[t]), Lower: s.outOf(expected[t] - width), Upper: s.outOf(expected[t] + width), Score: min(maxScore, off/width),
			})
		}
		i, _ := slices.BinarySearch(past, off)
		past, order = slices.Insert(past, i, off), append(order, off)
		if len(past) > memory {
			i, _ := slices.BinarySearch(past, order[len(order)-memory-1])
			past = slices.Delete(past, i, i+1)
		}
	}
	return out
}

// width is how far a value may be from what is expected: as far as the share of false alarms
// says, under Student's distribution, since how far values are off is itself but estimated.
func (s *scale) width(past []float64, expected, falseAlarms float64) float64 {
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(len(past) - 1)}
	return max(typical(past), s.floor(expected)) * t.Quantile(1-falseAlarms/2)
}
