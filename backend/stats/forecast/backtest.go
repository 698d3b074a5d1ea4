package forecast

import (
	"cmp"
	"math"
	"slices"
)

// origins are how many times the past is forecast.
const origins = 14

// backtest is what the methods would have said at earlier moments, on the scale of
// the space.
type backtest struct {
	horizon   int
	at        []int         // the origins, latest first
	forecasts [][][]float64 // by method, origin, step; nil for a method that cannot
	actual    [][]float64   // by origin
}

// newBacktest forecasts from origins in the past. They lie close together, so that
// their forecasts overlap, since a recent error says more about the next than an old one.
func newBacktest(y []float64, periods []int, horizon int) *backtest {
	b := windows(y, horizon)
	b.forecasts = make([][][]float64, len(methods))
	for m := range methods {
		b.forecasts[m] = make([][]float64, len(b.at))
	}
	for k, at := range b.at {
		p := newPast(y[:at], periods)
		for m := range methods {
			b.forecasts[m][k] = methods[m].run(p, b.horizon)
		}
	}
	for m := range methods {
		if slices.ContainsFunc(b.forecasts[m], func(f []float64) bool { return f == nil }) {
			b.forecasts[m] = nil
		}
	}
	return b
}

// windows are the origins that a history is forecast from, with what came after each.
func windows(y []float64, horizon int) *backtest {
	n := len(y)
	b := &backtest{horizon: min(horizon, max(1, n/4))}
	least := max(4, n/3)
	step := max(1, b.horizon/2)
	if room := n - b.horizon - least; room < step*(origins-1) {
		step = max(1, room/(origins-1))
	}
	for k := range origins {
		at := n - b.horizon - k*step
		if at < least || at < 2 {
			break
		}
		b.at = append(b.at, at)
		b.actual = append(b.actual, y[at:at+b.horizon])
	}
	return b
}

// loss is how wrong a method was: the mean size of its errors, and of the error of the
// mean over the horizon, which is what a sum is made of.
func (b *backtest) loss(forecasts [][]float64) float64 {
	total, weights := 0.0, 0.0
	for k, f := range forecasts {
		size, sum := 0.0, 0.0
		for h, v := range f {
			e := b.actual[k][h] - v
			size += math.Abs(e)
			sum += e
		}
		w := power(0.95, k)
		total += w * (size + 0.5*math.Abs(sum)) / float64(len(f))
		weights += w
	}
	return total / weights
}

// share is a method's part in a combination.
type share struct {
	method int
	weight float64
}

// choose gives each method a weight that falls with the square of its past error, and none
// to those that were much worse than the best. A combination of several is
// better than the best of the past more often than not (Bates and Granger, 1969).
func (b *backtest) choose() []share {
	if len(b.at) == 0 {
		return []share{{0, 1}}
	}
	var all []share
	best := math.Inf(1)
	for m, f := range b.forecasts {
		if f == nil {
			continue
		}
		l := b.loss(f)
		all = append(all, share{m, l})
		best = math.Min(best, l)
	}
	slices.SortStableFunc(all, func(x, y share) int { return cmp.Compare(x.weight, y.weight) })
	if best == 0 { // Several may be right; the simplest is.
		all = all[:1]
		all[0].weight = 1
		return all
	}
	total := 0.0
	kept := all[:0]
	for _, s := range all {
		if s.weight > best*worst || len(kept) == most {
			break
		}
		s.weight = math.Pow(best/s.weight, sharpness)
		total += s.weight
		kept = append(kept, s)
	}
	for i := range kept {
		kept[i].weight /= total
	}
	return kept
}

// How a combination is made up. These are round figures, not fitted to any data.
const (
	worst     = 1.5 // times the least error: the most that a method may have
	most      = 5   // methods in a combination
	sharpness = 4.0 // power of the error that weights fall with
)

// combine is the weighted mean of forecasts, of those methods that give one.
func combine(shares []share, of func(method int) []float64) []float64 {
	var out []float64
	total := 0.0
	for _, s := range shares {
		f := of(s.method)
		if f == nil {
			continue
		}
		if out == nil {
			out = make([]float64, len(f))
		}
		total += s.weight
		for h, v := range f {
			out[h] += s.weight * v
		}
	}
	for h := range out {
		out[h] /= total
	}
	return out
}

// naiveError is the mean absolute difference to the value one season before.
func naiveError(y []float64, season int) float64 {
	if season < 1 || season >= len(y) {
		season = 1
	}
	s := 0.0
	for t := season; t < len(y); t++ {
		s += math.Abs(y[t]-y[t-season]) / float64(len(y)-season)
	}
	return s
}
