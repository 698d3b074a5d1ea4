package forecast

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// The intervals' nominal coverage.
var coverages = [2]float64{0.80, 0.95}

// widths is how far an interval reaches from the forecast, by coverage and step.
type widths [2][]float64

// calibrate makes intervals from past errors, by origin and step. The size of
// errors at a step is taken from the steps about it and never falls with the horizon; how many
// such sizes an interval reaches is the quantile of all past errors in those terms
// (split conformal prediction), widened for the small number of origins, whose errors
// at neighbouring steps are much the same error.
func calibrate(errors [][]float64, horizon int, overlap float64) (widths, bool) {
	var out widths
	if len(errors) < Fewest {
		return out, false
	}
	known := len(errors[0])
	size := sizes(errors)
	ratios := make([]float64, 0, len(errors)*known)
	for _, e := range errors {
		for h, v := range e {
			if size[h] > 0 {
				ratios = append(ratios, math.Abs(v)/size[h])
			}
		}
	}
	slices.Sort(ratios)
	for c, coverage := range coverages {
		out[c] = make([]float64, horizon)
		reach := quantile(ratios, coverage) * student(coverage, float64(len(errors))/overlap)
		for h := range out[c] {
			s := size[min(h, known-1)]
			if h >= known { // beyond what the past could be tried for, as a random walk
				s *= math.Sqrt(float64(h+1) / float64(known))
			}
			out[c][h] = reach * s
		}
	}
	return out, true
}

// Fewest is the least number of origins to learn an interval from.
const Fewest = 4

// student is by how much Student's quantile exceeds the normal one at that many
// independent errors.
func student(coverage, independent float64) float64 {
	p := (1 + coverage) / 2
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: math.Max(2, independent)}
	return t.Quantile(p) / distuv.UnitNormal.Quantile(p)
}

// How many origins are worth one independent error: errors of sums, which are one figure a
// window, are more alike from origin to origin than those of steps.
const (
	overlapOfSteps = 2.0
	overlapOfSums  = 5.0
)

// sizes are the root mean squares of the errors by step, smoothed over the steps
// about it and made to rise.
func sizes(errors [][]float64) []float64 {
	n := len(errors[0])
	squares := make([]float64, n)
	for _, e := range errors {
		for h, v := range e {
			squares[h] += v * v / float64(len(errors))
		}
	}
	smooth := make([]float64, n)
	for h := range smooth {
		reach := 1 + h/4
		from, to := max(0, h-reach), min(n, h+reach+1)
		for _, v := range squares[from:to] {
			smooth[h] += v / float64(to-from)
		}
	}
	rising(smooth)
	for h := range smooth {
		smooth[h] = math.Sqrt(smooth[h])
	}
	return smooth
}

// rising replaces values by the nearest that never fall: where they do, by the mean of those
// that are out of order (pool adjacent violators).
func rising(v []float64) {
	type pool struct{ mean, n float64 }
	var pools []pool
	for _, x := range v {
		pools = append(pools, pool{x, 1})
		for len(pools) > 1 && pools[len(pools)-2].mean > pools[len(pools)-1].mean {
			a, b := pools[len(pools)-2], pools[len(pools)-1]
			pools = append(pools[:len(pools)-2], pool{(a.mean*a.n + b.mean*b.n) / (a.n + b.n), a.n + b.n})
		}
	}
	i := 0
	for _, p := range pools {
		for range int(p.n) {
			v[i] = p.mean
			i++
		}
	}
}

// quantile of sorted values, the conservative one of conformal prediction.
func quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := int(math.Ceil(p*float64(len(sorted)+1))) - 1
	return sorted[max(0, min(at, len(sorted)-1))]
}

// supposed makes intervals where the past is too short to have been tried: those of a
// random walk whose steps are the history's.
func supposed(y []float64, horizon int, sum bool) widths {
	n, squares := float64(len(y)-1), 0.0
	for t := 1; t < len(y); t++ {
		squares += (y[t] - y[t-1]) * (y[t] - y[t-1])
	}
	sigma := math.Sqrt(squares / n)
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n}
	var out widths
	for c, coverage := range coverages {
		reach := t.Quantile((1 + coverage) / 2)
		out[c] = make([]float64, horizon)
		for i := range out[c] {
			h := float64(i + 1)
			steps := h
			if sum { // variance of the sum of a random walk's first h values
				steps = h * (h + 1) * (2*h + 1) / 6
			}
			out[c][i] = reach * sigma * math.Sqrt(steps)
		}
	}
	return out
}
