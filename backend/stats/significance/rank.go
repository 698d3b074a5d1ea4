package significance

import (
	"cmp"
	"math"
	"slices"
)

// Values are the different values of a sample, ascending, each with how often it
// occurs. A histogram is one too: its buckets are values, and what shares one is
// tied.
type Values struct {
	Value []float64
	Count []uint64
}

// Of gathers a sample.
func Of(sample []float64) Values {
	sorted := slices.Sorted(slices.Values(sample))
	var v Values
	for i, x := range sorted {
		if i > 0 && x == sorted[i-1] {
			v.Count[len(v.Count)-1]++
			continue
		}
		v.Value, v.Count = append(v.Value, x), append(v.Count, 1)
	}
	return v
}

// Size is how many there are.
func (v Values) Size() float64 {
	n := 0.0
	for _, c := range v.Count {
		n += float64(c)
	}
	return n
}

// exactRanks is the size up to which the distribution of ranks is counted out.
const exactRanks = 50

// MannWhitney tests whether values of b tend to be larger or smaller than those of
// a. The statistic is that of a: in how many pairs it is larger, ties counting half.
// Without ties and with fewer than 50 values each, the probability is exact; else
// it is the normal one with the correction for ties and for continuity.
func MannWhitney(a, b Values) Test {
	const name = "Mann-Whitney test"
	u, ties, groups := pairs(a, b)
	m, n := a.Size(), b.Size()
	if m == 0 || n == 0 {
		return Test{name, 0, 1}
	}
	if groups == 0 && m < exactRanks && n < exactRanks {
		return Test{name, u, exactP(u, int(m), int(n))}
	}
	sigma := deviation(m, n, ties)
	if sigma == 0 {
		return Test{name, u, 1}
	}
	off := max(0, math.Abs(u-m*n/2)-0.5)
	return Test{name, u, normalTail(off / sigma)}
}

// pairs counts in how many pairs a is larger, the sum of t³-t over ties of t values,
// and how many ties there are.
func pairs(a, b Values) (u, ties float64, groups int) {
	below := 0.0 // values of b that are smaller
	for i, j := 0, 0; i < len(a.Value) || j < len(b.Value); {
		var order int
		switch {
		case j == len(b.Value):
			order = -1
		case i == len(a.Value):
			order = 1
		default:
			order = cmp.Compare(a.Value[i], b.Value[j])
		}
		var ca, cb float64
		if order <= 0 {
			ca = float64(a.Count[i])
			i++
		}
		if order >= 0 {
			cb = float64(b.Count[j])
			j++
		}
		u += ca * (below + cb/2)
		below += cb
		if t := ca + cb; t > 1 {
			ties += t*t*t - t
			groups++
		}
	}
	return u, ties, groups
}

// deviation is the standard deviation of the statistic if both are the same.
func deviation(m, n, ties float64) float64 {
	total := m + n
	return math.Sqrt(m * n / 12 * (total + 1 - ties/(total*(total-1))))
}

// exactP doubles the smaller tail.
func exactP(u float64, m, n int) float64 {
	counts := rankCounts(m, n)
	all, below, above := 0.0, 0.0, 0.0
	for k, c := range counts {
		all += c
		if float64(k) <= u {
			below += c
		}
		if float64(k) >= u {
			above += c
		}
	}
	return min(1, 2*min(below, above)/all)
}

// rankCounts returns how many orders of m and n values have each statistic: the
// coefficients of the Gaussian binomial, by multiplying and dividing polynomials.
func rankCounts(m, n int) []float64 {
	counts := make([]float64, m*n+1)
	counts[0] = 1
	for i := 1; i <= m; i++ {
		for k := len(counts) - 1; k >= n+i; k-- { // times 1 - q^(n+i)
			counts[k] -= counts[k-n-i]
		}
		for k := i; k < len(counts); k++ { // by 1 - q^i
			counts[k] += counts[k-i]
		}
	}
	return counts
}

// Shift is by how much b is above a (Hodges and Lehmann 1963): the median of all
// differences of a value of b and one of a. The interval holds the differences
// that the rank test would not refuse: of its exact distribution for small samples
// without ties, else of the normal one. It looks at all pairs.
func Shift(a, b Values, confidence float64) (shift float64, interval Interval) {
	type difference struct{ by, times float64 }
	diffs := make([]difference, 0, len(a.Value)*len(b.Value))
	for i, x := range a.Value {
		for j, y := range b.Value {
			diffs = append(diffs, difference{y - x, float64(a.Count[i]) * float64(b.Count[j])})
		}
	}
	slices.SortFunc(diffs, func(p, q difference) int { return cmp.Compare(p.by, q.by) })
	at := func(rank float64) float64 { // From 1.
		seen := 0.0
		for _, d := range diffs {
			if seen += d.times; seen >= rank {
				return d.by
			}
		}
		return diffs[len(diffs)-1].by
	}
	m, n := a.Size(), b.Size()
	_, ties, groups := pairs(a, b)
	shift = (at(math.Floor((m*n+1)/2)) + at(math.Floor((m*n+2)/2))) / 2
	low := math.Floor(m*n/2 - quantile(confidence)*deviation(m, n, ties))
	if groups == 0 && m < exactRanks && n < exactRanks {
		low = exactLow(int(m), int(n), confidence)
	}
	low = max(low, 1)
	return shift, Interval{at(low), at(m*n + 1 - low)}
}

// exactLow is the smallest statistic that at least the lower tail's share of orders
// does not exceed.
func exactLow(m, n int, confidence float64) float64 {
	counts := rankCounts(m, n)
	all, below := 0.0, 0.0
	for _, c := range counts {
		all += c
	}
	for k, c := range counts {
		if below += c; below >= (1-confidence)/2*all {
			return float64(k)
		}
	}
	return 0
}
