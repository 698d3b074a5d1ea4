package forecast

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// autoregression forecasts a history by its own values some steps before, with
// coefficients by least squares under a slight penalty (ridge), applied step by step.
// Nothing is forecast where there are too few values for the lags.
func autoregression(y []float64, lags []int, h int) []float64 {
	lags = slices.Clone(lags)
	slices.Sort(lags)
	lags = slices.Compact(lags)
	if len(lags) == 0 {
		return nil
	}
	longest := lags[len(lags)-1]
	rows, columns := len(y)-longest, len(lags)
	if rows < 2*columns+4 {
		return nil
	}
	mean := 0.0
	for _, v := range y {
		mean += v / float64(len(y))
	}
	gram := mat.NewSymDense(columns, nil)
	right := mat.NewVecDense(columns, nil)
	for t := longest; t < len(y); t++ {
		for i, a := range lags {
			x := y[t-a] - mean
			right.SetVec(i, right.AtVec(i)+x*(y[t]-mean))
			for j := i; j < columns; j++ {
				gram.SetSym(i, j, gram.At(i, j)+x*(y[t-lags[j]]-mean))
			}
		}
	}
	trace := 0.0
	for i := range columns {
		trace += gram.At(i, i) / float64(columns)
	}
	if trace <= 0 {
		return repeat(mean, h)
	}
	for i := range columns {
		gram.SetSym(i, i, gram.At(i, i)+ridge*trace)
	}
	var factor mat.Cholesky
	if !factor.Factorize(gram) {
		return nil
	}
	var beta mat.VecDense
	if factor.SolveVecTo(&beta, right) != nil {
		return nil
	}
	path := slices.Clone(y)
	low, high := slices.Min(y), slices.Max(y)
	spread := high - low
	for range h {
		v := mean
		for i, a := range lags {
			v += beta.AtVec(i) * (path[len(path)-a] - mean)
		}
		// Coefficients outside the stable region would run away.
		path = append(path, math.Max(low-spread, math.Min(high+spread, v)))
	}
	return path[len(y):]
}

// ridge is the penalty on coefficients, relative to the mean square of the history.
const ridge = 1e-3

// order is how many lags an autoregression without seasons has: the one of the least
// AIC, by the recursion of Levinson and Durbin.
func order(y []float64, most int) int {
	n := len(y)
	most = min(most, n/4)
	mean := 0.0
	for _, v := range y {
		mean += v / float64(n)
	}
	r := make([]float64, most+1)
	for k := range r {
		for t := k; t < n; t++ {
			r[k] += (y[t] - mean) * (y[t-k] - mean)
		}
	}
	if r[0] <= 0 {
		return 0
	}
	phi := make([]float64, 0, most)
	best, bestAIC, variance := 0, 0.0, 1.0
	for k := 1; k <= most; k++ {
		reflection := r[k]
		for i, f := range phi {
			reflection -= f * r[k-1-i]
		}
		reflection /= r[0] * variance
		next := make([]float64, k)
		for i, f := range phi {
			next[i] = f - reflection*phi[k-2-i]
		}
		next[k-1] = reflection
		phi = next
		variance *= 1 - reflection*reflection
		if variance <= 1e-12 {
			return k
		}
		if aic := float64(n)*math.Log(variance) + 2*float64(k); aic < bestAIC {
			best, bestAIC = k, aic
		}
	}
	return best
}

// first returns 1..n.
func first(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// differences forecasts the changes from step to step, and adds them up.
func differences(y []float64, most, h int) []float64 {
	if len(y) < 8 {
		return nil
	}
	d := make([]float64, len(y)-1)
	for t := range d {
		d[t] = y[t+1] - y[t]
	}
	p := order(d, most)
	if p == 0 {
		return repeat(y[len(y)-1], h)
	}
	out := autoregression(d, first(p), h)
	last := y[len(y)-1]
	for i, v := range out {
		last += v
		out[i] = last
	}
	return out
}
