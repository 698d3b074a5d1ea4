package significance

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Moments are what a mean and its error follow from.
type Moments struct{ N, Mean, Variance float64 }

// MomentsOf takes values, each as often as it is counted.
func MomentsOf(v Values) Moments {
	m := Moments{N: v.Size()}
	for i, x := range v.Value {
		m.Mean += x * float64(v.Count[i]) / m.N
	}
	for i, x := range v.Value {
		m.Variance += (x - m.Mean) * (x - m.Mean) * float64(v.Count[i]) / (m.N - 1)
	}
	return m
}

// Welch tests whether means differ where variances may too (Welch 1947), and gives
// the interval of b - a. Of logarithms the difference is that of a ratio. Both need
// two values at least.
func Welch(a, b Moments, confidence float64) (Test, Interval) {
	const name = "Welch's t test"
	if a.N < 2 || b.N < 2 {
		return Test{name, 0, 1}, Interval{math.Inf(-1), math.Inf(1)}
	}
	va, vb, d := a.Variance/a.N, b.Variance/b.N, b.Mean-a.Mean
	if va+vb == 0 {
		if d == 0 {
			return Test{name, 0, 1}, Interval{0, 0}
		}
		return Test{name, math.Inf(1), 0}, Interval{d, d}
	}
	freedom := (va + vb) * (va + vb) / (va*va/(a.N-1) + vb*vb/(b.N-1))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}
	statistic := d / math.Sqrt(va+vb)
	reach := t.Quantile(0.5+confidence/2) * math.Sqrt(va+vb)
	return Test{name, statistic, 2 * t.Survival(math.Abs(statistic))}, Interval{d - reach, d + reach}
}
