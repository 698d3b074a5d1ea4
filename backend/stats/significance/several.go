package significance

import (
	"cmp"
	"slices"
)

// Holm adjusts the probabilities of several tests, so that with no difference
// anywhere the chance to find one anyway stays what it is for one (Holm 1979).
func Holm(p []float64) []float64 {
	return adjusted(p, func(a, b float64) int { return cmp.Compare(a, b) }, func(rank int, value float64) float64 {
		return float64(len(p)-rank) * value
	}, func(a, b float64) float64 { return max(a, b) }, 0)
}

// BenjaminiHochberg adjusts them so that of the differences found the expected part
// that are none stays what it is for one (Benjamini and Hochberg 1995).
func BenjaminiHochberg(p []float64) []float64 {
	return adjusted(p, func(a, b float64) int { return cmp.Compare(b, a) }, func(rank int, value float64) float64 {
		return float64(len(p)) / float64(len(p)-rank) * value
	}, func(a, b float64) float64 { return min(a, b) }, 1)
}

// adjusted multiplies in an order and keeps that the results are in order.
func adjusted(p []float64, order func(a, b float64) int, factor func(rank int, p float64) float64, keep func(a, b float64) float64, start float64) []float64 {
	index := make([]int, len(p))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(i, j int) int { return order(p[i], p[j]) })
	out := make([]float64, len(p))
	last := start
	for rank, i := range index {
		last = keep(last, min(1, factor(rank, p[i])))
		out[i] = last
	}
	return out
}
