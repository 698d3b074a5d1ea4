package significance

import (
	"math"
)

// Proportion counts successes among trials.
type Proportion struct{ Successes, Trials uint64 }

// Value is the share of successes; NaN without trials.
func (p Proportion) Value() float64 { return float64(p.Successes) / float64(p.Trials) }

// Wilson is the score interval of a proportion (Wilson 1927).
func (p Proportion) Wilson(confidence float64) Interval {
	if p.Trials == 0 {
		return Interval{0, 1}
	}
	z, n, v := quantile(confidence), float64(p.Trials), p.Value()
	middle := v + z*z/(2*n)
	width := z * math.Sqrt(v*(1-v)/n+z*z/(4*n*n))
	return Interval{max(0, (middle-width)/(1+z*z/n)), min(1, (middle+width)/(1+z*z/n))}
}

// Difference is the interval of b - a by the score intervals of both (Newcombe
// 1998, method 10). It holds at 0 and 1, and for few trials, where the usual one
// does not.
func Difference(a, b Proportion, confidence float64) Interval {
	d, wa, wb := b.Value()-a.Value(), a.Wilson(confidence), b.Wilson(confidence)
	return Interval{
		max(-1, d-math.Hypot(b.Value()-wb.Low, wa.High-a.Value())),
		min(1, d+math.Hypot(wb.High-b.Value(), a.Value()-wa.Low)),
	}
}

// fewExpected is the expected count below which the score test's distribution is
// too coarse for the normal one to stand for it (Cochran 1954).
const fewExpected = 5

// CompareProportions tests whether two proportions differ: by the score test
// (Pearson's chi-square without correction), or by Fisher's where a count of fewer
// than 5 is expected.
func CompareProportions(a, b Proportion) Test {
	n := float64(a.Trials) + float64(b.Trials)
	successes := float64(a.Successes) + float64(b.Successes)
	least := min(float64(a.Trials), float64(b.Trials)) * min(successes, n-successes) / n
	if math.IsNaN(least) || least < fewExpected {
		return Fisher(a, b)
	}
	return Score(a, b)
}

// Score is the test of the pooled proportion's deviation.
func Score(a, b Proportion) Test {
	na, nb := float64(a.Trials), float64(b.Trials)
	pooled := (float64(a.Successes) + float64(b.Successes)) / (na + nb)
	z := (b.Value() - a.Value()) / math.Sqrt(pooled*(1-pooled)*(1/na+1/nb))
	if math.IsNaN(z) { // All succeeded, or none.
		return Test{"score test", 0, 1}
	}
	return Test{"score test", z, normalTail(z)}
}

// Fisher is the exact test: how probable are tables with the same margins that are
// no more probable than the one seen.
func Fisher(a, b Proportion) Test {
	white, black := float64(a.Trials), float64(b.Trials)
	drawn := float64(a.Successes) + float64(b.Successes)
	total := logChoose(white+black, drawn)
	density := func(k float64) float64 { return math.Exp(logChoose(white, k) + logChoose(black, drawn-k) - total) }
	seen := density(float64(a.Successes)) * (1 + 1e-7) // Equal ones may differ by rounding.
	p := 0.0
	for k := max(0, drawn-black); k <= min(drawn, white); k++ {
		if d := density(k); d <= seen {
			p += d
		}
	}
	return Test{"Fisher's exact test", float64(a.Successes), min(1, p)}
}

func logChoose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}
