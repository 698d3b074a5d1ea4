// Package forecast says how a series goes on, how far off that may be, and when the
// sum of what is to come crosses an amount.
//
// Several methods of different kinds (see methods) forecast the history's own past from a
// number of earlier moments. Those that were right there are combined, by weight; the errors
// of the combination there are what intervals are made of, and are told with the forecast.
// docs/forecast.md has the formulas, their sources and the accuracy measured.
//
// It is pure mathematics: the same history gives the same forecast, in bounded time, and
// no number is ever NaN or infinite.
package forecast

import (
	"fmt"
	"math"
	"strings"
)

// MaxHorizon is the most steps that can be forecast.
const MaxHorizon = 10_000

// MaxPeriod is the longest season.
const MaxPeriod = 10_000

// longest is how much history is looked at: what is older says little about what
// comes, and the time that a forecast takes is bounded by it.
const longest = 1500

// Options of a forecast.
type Options struct {
	// Horizon is how many steps ahead are to be forecast, 1 to MaxHorizon.
	Horizon int
	// Periods are the lengths of seasons in steps, e.g. 7 for days with a week's
	// pattern, or 24 and 168 for hours with a day's and a week's. None is no season.
	Periods []int
	// Find looks for longer seasons that are usual, such as 168 beside 24.
	Find bool
}

// Model is a forecast of one history.
type Model struct {
	points   Forecast
	sums     Forecast
	shares   []share // of methods, or else
	method   string  // another's
	periods  []int
	accuracy Accuracy
}

// Forecast is what is expected, and intervals about it, one value a step.
type Forecast struct {
	Point            []float64
	Lower80, Upper80 []float64
	Lower95, Upper95 []float64
}

// Accuracy is how right the method was on the history's own past.
type Accuracy struct {
	// Windows is how many times the past was forecast, each Horizon steps from where
	// only what came before was known. 0: the history is too short to tell.
	Windows int `json:"windows"`
	Horizon int `json:"horizon"`
	// SMAPE is the symmetric mean absolute percentage error, 0 to 200; MASE the mean
	// error in units of that of saying the value of one season before.
	SMAPE float64 `json:"smape"`
	MASE  float64 `json:"mase"`
	// Coverage is the part of past values within the 80 % and the 95 % interval, of
	// windows that the intervals were not made of.
	Coverage80 float64 `json:"coverage80"`
	Coverage95 float64 `json:"coverage95"`
}

// New forecasts a history, oldest value first, NaN where one is missing. Values may be
// zero or negative. Where the history never went below zero, nor does the
// forecast. It fails where options are out of bounds, a value is infinite, or fewer than two are
// known (ErrTooShort).
func New(values []float64, o Options) (*Model, error) {
	season, err := o.check()
	if err != nil {
		return nil, err
	}
	history, _, err := clean(values, season)
	if err != nil {
		return nil, err
	}
	history = history[max(0, len(history)-longest):]
	return build(history, o, season), nil
}

// check returns the season that errors are scaled by: the first that is one.
func (o *Options) check() (season int, err error) {
	if o.Horizon < 1 || o.Horizon > MaxHorizon {
		return 0, fmt.Errorf("the horizon is %d: give 1 to %d steps, e.g. 30", o.Horizon, MaxHorizon)
	}
	season = 1
	for _, p := range o.Periods {
		if p < 1 || p > MaxPeriod {
			return 0, fmt.Errorf("a season's period is %d: give the number of steps after which a pattern repeats, e.g. 7", p)
		}
		if season == 1 {
			season = p
		}
	}
	return season, nil
}

func build(history []float64, o Options, season int) *Model {
	s := spaceOf(history, season)
	y := s.into(history)
	if o.Find {
		o.Periods = seasons(y, o.Periods)
	}
	b := newBacktest(y, o.Periods, o.Horizon)
	now := newPast(y, o.Periods)
	m := &Model{shares: b.choose(), periods: now.periods}
	point := combine(m.shares, func(i int) []float64 { return methods[i].run(now, o.Horizon) })
	if point == nil { // What could be done earlier cannot be now.
		m.shares = []share{{0, 1}}
		point = methods[0].run(now, o.Horizon)
	}
	past := make([][]float64, len(b.at))
	for k := range past {
		past[k] = combine(m.shares, func(i int) []float64 { return b.forecasts[i][k] })
	}
	floor := math.Inf(-1)
	if lowest(history) >= 0 {
		floor = 0
	}
	m.points = s.points(b, y, point, past, floor)
	m.sums = s.sums(b, y, point, past, floor)
	m.accuracy = s.accuracy(b, history, past, season)
	return m
}

func lowest(y []float64) float64 {
	out := y[0]
	for _, v := range y {
		out = math.Min(out, v)
	}
	return out
}

// points puts intervals about a forecast, in the space it was made in.
func (s space) points(b *backtest, y, point []float64, past [][]float64, floor float64) Forecast {
	errors := make([][]float64, len(past))
	for k, f := range past {
		errors[k] = make([]float64, len(f))
		for h, v := range f {
			errors[k][h] = b.actual[k][h] - v
		}
	}
	w, ok := calibrate(errors, len(point), overlapOfSteps)
	if !ok {
		w = supposed(y, len(point), false)
	}
	return about(point, w, func(v float64) float64 { return math.Max(floor, s.outOf(v)) })
}

// sums puts intervals about the sums of the first steps, from the errors of such sums in
// the past: errors of neighbouring steps are alike, so that the sum of the bounds would be
// too wide, and the root of the sum of squares too narrow.
func (s space) sums(b *backtest, y, point []float64, past [][]float64, floor float64) Forecast {
	errors := make([][]float64, len(past))
	plain := space{unit: s.unit}
	natural := func(v float64) float64 { return s.outOf(v) / s.unit }
	for k, f := range past {
		errors[k] = make([]float64, len(f))
		sum := 0.0
		for h, v := range f {
			sum += natural(b.actual[k][h]) - natural(v)
			errors[k][h] = sum
		}
	}
	total := make([]float64, len(point))
	sum := 0.0
	for h, v := range point {
		sum += math.Max(floor/s.unit, natural(v))
		total[h] = sum
	}
	w, ok := calibrate(errors, len(point), overlapOfSums)
	if ok { // beyond what was tried: errors of a sum go on in one direction
		known := len(errors[0])
		for c := range w {
			for h := known; h < len(w[c]); h++ {
				w[c][h] *= math.Sqrt(float64(h+1) / float64(known))
			}
		}
	} else {
		flat := make([]float64, len(y))
		for t, v := range y {
			flat[t] = natural(v)
		}
		w = supposed(flat, len(point), true)
	}
	return about(total, w, func(v float64) float64 { return math.Max(floor, plain.outOf(v)) })
}

// about lays intervals about points.
func about(point []float64, w widths, out func(float64) float64) Forecast {
	n := len(point)
	f := Forecast{make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)}
	for h, v := range point {
		f.Point[h] = out(v)
		f.Lower80[h], f.Upper80[h] = out(v-w[0][h]), out(v+w[0][h])
		f.Lower95[h], f.Upper95[h] = out(v-math.Max(w[0][h], w[1][h])), out(v+math.Max(w[0][h], w[1][h]))
	}
	return f
}

// accuracy measures the combination on the past, each window's coverage by intervals
// made of the others.
func (s space) accuracy(b *backtest, history []float64, past [][]float64, season int) Accuracy {
	a := Accuracy{Windows: len(past), Horizon: b.horizon}
	n, within := 0.0, [2]float64{}
	for k, f := range past {
		var others [][]float64
		for j := range past {
			if j != k {
				e := make([]float64, b.horizon)
				for h := range e {
					e[h] = b.actual[j][h] - past[j][h]
				}
				others = append(others, e)
			}
		}
		w, ok := calibrate(others, b.horizon, overlapOfSteps)
		predicted, actual := make([]float64, len(f)), make([]float64, len(f))
		for h, v := range f {
			predicted[h], actual[h] = s.outOf(v), s.outOf(b.actual[k][h])
			for c := range coverages {
				if ok && math.Abs(b.actual[k][h]-v) <= w[c][h] {
					within[c]++
				}
			}
			n++
		}
		a.SMAPE += SMAPE(predicted, actual) / float64(len(past))
		a.MASE += MASE(predicted, actual, history[:b.at[k]], season) / float64(len(past))
	}
	if n > 0 {
		a.Coverage80, a.Coverage95 = within[0]/n, within[1]/n
	}
	return a
}

// Forecast returns the first h steps, h at most the horizon of the options.
func (m *Model) Forecast(h int) Forecast { return m.points.first(h) }

// Cumulative returns the sums of the first 1, 2, … h steps. The intervals are those of the
// sums, learned from the errors of sums in the past.
func (m *Model) Cumulative(h int) Forecast { return m.sums.first(h) }

func (f *Forecast) first(h int) Forecast {
	h = max(0, min(h, len(f.Point)))
	return Forecast{f.Point[:h], f.Lower80[:h], f.Upper80[:h], f.Lower95[:h], f.Upper95[:h]}
}

// Accuracy tells how right the method was in the past.
func (m *Model) Accuracy() Accuracy { return m.accuracy }

// Periods are the seasons that the forecast reckons with: those of which the history has two
// cycles.
func (m *Model) Periods() []int { return m.periods }

// Method says what the forecast is made of, e.g. "62 % Theta, 38 % damped trend".
func (m *Model) Method() string {
	if len(m.shares) == 0 {
		return m.method
	}
	if len(m.shares) == 1 {
		return methods[m.shares[0].method].name
	}
	parts := make([]string, len(m.shares))
	for i, s := range m.shares {
		parts[i] = fmt.Sprintf("%.0f %% %s", 100*s.weight, methods[s.method].name)
	}
	return strings.Join(parts, ", ")
}
