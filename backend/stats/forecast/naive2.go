package forecast

import "math"

// Naive2 is the forecast that the M4 competition measures others by: the last value of
// the history without its season, times the season; the season by classical
// multiplicative decomposition, where the autocorrelation at its period is significant
// at 90 %. It is a yardstick, not a method of Model.
func Naive2(history []float64, period, horizon int) []float64 {
	last := history[len(history)-1]
	if !seasonal(history, period) {
		return repeat(last, horizon)
	}
	ratios, n := make([]float64, period), make([]float64, period)
	half := period / 2
	trend := movingAverage(history, period)
	for t := half; t < len(history)-half; t++ {
		if r := history[t] / trend[t]; finite(r) {
			ratios[t%period] += r
			n[t%period]++
		}
	}
	mean := 0.0
	for i := range ratios {
		ratios[i] /= n[i]
		mean += ratios[i] / float64(period)
	}
	out := make([]float64, horizon)
	for h := range out {
		out[h] = last / ratios[(len(history)-1)%period] * ratios[(len(history)+h)%period]
		if !finite(out[h]) || mean == 0 {
			return repeat(last, horizon)
		}
	}
	return out
}

// seasonal tests the autocorrelation at a period, which there must be three cycles for.
func seasonal(y []float64, period int) bool {
	n := len(y)
	if period < 2 || n < 3*period {
		return false
	}
	mean := 0.0
	for _, v := range y {
		mean += v / float64(n)
	}
	correlation := func(lag int) float64 {
		s := 0.0
		for t := lag; t < n; t++ {
			s += (y[t] - mean) * (y[t-lag] - mean)
		}
		return s
	}
	all := correlation(0)
	if all <= 0 {
		return false
	}
	squares := 1.0
	for lag := 1; lag < period; lag++ {
		r := correlation(lag) / all
		squares += 2 * r * r
	}
	return math.Abs(correlation(period)/all) > 1.645/math.Sqrt(float64(n))*math.Sqrt(squares)
}
