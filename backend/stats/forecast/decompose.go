package forecast

// decomposition splits a history into its level and one pattern for each seasonal
// period: y[t] = adjusted[t] + sum over periods of pattern[t mod period].
type decomposition struct {
	periods  []int
	patterns [][]float64
	adjusted []float64
}

// rounds is how often the patterns are estimated in turn, each on what the others
// leave over.
const rounds = 2

// decompose estimates the patterns by moving averages, shortest period first.
// Cycles count less the older they are. A pattern that the noise explains as well is
// shrunk towards none, as James and Stein do it: else a year's pattern of 52 weeks,
// learned from three years, is mostly noise.
func decompose(y []float64, periods []int, decay float64) *decomposition {
	d := &decomposition{adjusted: append([]float64(nil), y...)}
	for _, p := range periods {
		if p > 1 && len(y) >= 2*p {
			d.periods = append(d.periods, p)
			d.patterns = append(d.patterns, make([]float64, p))
		}
	}
	target := make([]float64, len(y))
	for range rounds {
		for i, p := range d.periods {
			pattern := d.patterns[i]
			for t := range target {
				target[t] = d.adjusted[t] + pattern[t%p]
			}
			d.patterns[i], _ = seasonalMeans(target, p, decay)
			for t := range target {
				d.adjusted[t] = target[t] - d.patterns[i][t%p]
			}
		}
	}
	return d
}

// season returns the sum of the patterns at a time.
func (d *decomposition) season(t int) float64 {
	s := 0.0
	for i, p := range d.periods {
		s += d.patterns[i][t%p]
	}
	return s
}

// restore adds the seasons back to what was forecast of the adjusted history, which
// ended at n.
func (d *decomposition) restore(forecast []float64, n int) []float64 {
	for h := range forecast {
		forecast[h] += d.season(n + h)
	}
	return forecast
}

// seasonalMeans averages what a moving average of one period leaves, by phase. keep is
// what the averages were shrunk by: 1 is a clear pattern, 0 none.
func seasonalMeans(y []float64, period int, decay float64) (pattern []float64, keep float64) {
	trend := movingAverage(y, period)
	sum, weight := make([]float64, period), make([]float64, period)
	squares, count := 0.0, 0.0
	cycles := (len(y) + period - 1) / period
	w := make([]float64, cycles)
	for c := range w {
		w[c] = power(decay, c)
	}
	for t, v := range y {
		k := w[(len(y)-1-t)/period]
		sum[t%period] += k * (v - trend[t])
		weight[t%period] += k
	}
	mean, total, totalSquares := 0.0, 0.0, 0.0
	for i := range sum {
		sum[i] /= weight[i]
		mean += sum[i] / float64(period)
	}
	between := 0.0
	for i := range sum {
		sum[i] -= mean
		between += sum[i] * sum[i]
	}
	for t, v := range y {
		e := v - trend[t] - sum[t%period] - mean
		squares += e * e
		count++
	}
	for _, k := range w {
		total += k
		totalSquares += k * k
	}
	noise := squares / max(1, count-float64(period)) * totalSquares / (total * total)
	if between > 0 {
		keep = max(0, 1-noise*float64(period-1)/between)
	}
	for i := range sum {
		sum[i] *= keep
	}
	return sum, keep
}

// movingAverage returns a centred average over one period, which no pattern of that
// period disturbs. At the ends, where half of it is missing, it goes on with the
// slope of the last whole period.
func movingAverage(y []float64, period int) []float64 {
	n, half := len(y), period/2
	prefix := make([]float64, n+1)
	for t, v := range y {
		prefix[t+1] = prefix[t] + v
	}
	mean := func(from, to int) float64 { return (prefix[to] - prefix[from]) / float64(to-from) }
	out := make([]float64, n)
	first, last := half, n-1-half
	for t := first; t <= last; t++ {
		if period%2 == 1 {
			out[t] = mean(t-half, t+half+1)
		} else {
			out[t] = (mean(t-half, t+half) + mean(t-half+1, t+half+1)) / 2
		}
	}
	if first > last { // not even one whole period
		all := mean(0, n)
		for t := range out {
			out[t] = all
		}
		return out
	}
	reach := min(period, last-first)
	slopeFirst, slopeLast := 0.0, 0.0
	if reach > 0 {
		slopeFirst = (out[first+reach] - out[first]) / float64(reach)
		slopeLast = (out[last] - out[last-reach]) / float64(reach)
	}
	for t := range first {
		out[t] = out[first] - slopeFirst*float64(first-t)
	}
	for t := last + 1; t < n; t++ {
		out[t] = out[last] + slopeLast*float64(t-last)
	}
	return out
}

func power(base float64, n int) float64 {
	out := 1.0
	for range n {
		out *= base
	}
	return out
}
