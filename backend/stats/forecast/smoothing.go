package forecast

import "math"

// The methods of this file work on a history without its seasons.

// level is simple exponential smoothing.
func level(y []float64, h int) []float64 {
	run := func(alpha float64) (last, loss float64) {
		last = head(y)
		for _, v := range y {
			e := v - last
			loss += e * e
			last += alpha * e
		}
		return last, loss
	}
	p := minimize(func(p []float64) float64 { _, loss := run(p[0]); return loss }, []bounds{{0.01, 0.999, 0.4}}, 40)
	last, _ := run(p[0])
	return repeat(last, h)
}

// damped is exponential smoothing with an additive trend that fades, the ETS(A,Ad,N)
// of Hyndman and others (2008).
func damped(y []float64, h int) []float64 {
	firstSlope := 0.0
	if k := min(len(y)-1, 10); k > 0 {
		firstSlope = (y[k] - y[0]) / float64(k)
	}
	run := func(p []float64) (l, b, loss float64) {
		alpha, beta, phi := p[0], p[0]*p[1], p[2]
		l, b = head(y), firstSlope
		for _, v := range y {
			e := v - l - phi*b
			loss += e * e
			l, b = l+phi*b+alpha*e, phi*b+beta*e
		}
		return l, b, loss
	}
	p := minimize(func(p []float64) float64 { _, _, loss := run(p); return loss },
		[]bounds{{0.01, 0.999, 0.4}, {0.001, 0.5, 0.05}, {0.8, 0.98, 0.93}}, 120)
	l, b, _ := run(p)
	out := make([]float64, h)
	for i := range out {
		b *= p[2]
		l += b
		out[i] = l
	}
	return out
}

// theta is the dynamic optimised Theta model of Fiorucci and others (2016).
func theta(y []float64, h int) []float64 {
	run := func(p []float64, h int) (out []float64, loss float64) {
		alpha, keep := p[0], 1-1/p[1]
		l, mean, a, b := head(y), 0.0, 0.0, 0.0
		rest := 1.0 // (1-alpha)^t
		step := func(t int, v float64) {
			n := float64(t)
			before := mean
			mean = ((n-1)*mean + v) / n
			if t > 1 {
				b = ((n-2)*b + 6*(v-before)/n) / (n + 1)
			}
			a = mean - (n+1)/2*b
			l += alpha * (v - l)
			rest *= 1 - alpha
		}
		ahead := func() float64 { return l + keep*(rest*a+(1-rest*(1-alpha))/alpha*b) }
		for t, v := range y {
			if t > 1 {
				e := v - ahead()
				loss += e * e
			}
			step(t+1, v)
		}
		for i := range h {
			v := ahead()
			out = append(out, v)
			step(len(y)+i+1, v)
		}
		return out, loss
	}
	p := minimize(func(p []float64) float64 { _, loss := run(p, 0); return loss },
		[]bounds{{0.02, 0.99, 0.5}, {1, 20, 2}}, 80)
	out, _ := run(p, h)
	return out
}

// head is where smoothing begins: the mean of the first few values.
func head(y []float64) float64 {
	k := min(len(y), 4)
	s := 0.0
	for _, v := range y[:k] {
		s += v
	}
	return s / float64(k)
}

func repeat(v float64, h int) []float64 {
	out := make([]float64, h)
	for i := range out {
		out[i] = v
	}
	return out
}

// seasonalSmoothing is Taylor's Holt-Winters with several additive seasons and an
// autoregressive error (2003): the patterns go on changing, each at its own pace.
func seasonalSmoothing(y []float64, d *decomposition, h int) []float64 {
	seasons := len(d.periods)
	work := make([][]float64, seasons)
	for i := range work {
		work[i] = make([]float64, d.periods[i])
	}
	run := func(p []float64) (l, e, loss float64) {
		alpha, phi, gamma := p[0], p[1], p[2:]
		for i := range work {
			copy(work[i], d.patterns[i])
		}
		l = head(d.adjusted)
		for t, v := range y {
			fitted := l
			for i := range work {
				fitted += work[i][t%len(work[i])]
			}
			e2 := v - fitted
			eps := e2 - phi*e
			loss += eps * eps
			l += alpha * eps
			for i := range work {
				work[i][t%len(work[i])] += gamma[i] * eps
			}
			e = e2
		}
		return l, e, loss
	}
	of := []bounds{{0.001, 0.9, 0.1}, {-0.5, 0.98, 0.3}}
	for range seasons {
		of = append(of, bounds{0.001, 0.6, 0.1})
	}
	p := minimize(func(p []float64) float64 { _, _, loss := run(p); return loss }, of, 60*(1+seasons))
	l, e, _ := run(p)
	out := make([]float64, h)
	for i := range out {
		e *= p[1]
		out[i] = l + e
		for s := range work {
			out[i] += work[s][(len(y)+i)%len(work[s])]
		}
	}
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
