// Package significance says whether two groups differ, by how much, and how sure
// that is: proportions (Newcombe's interval, Fisher's exact or the score test),
// durations by rank (Mann and Whitney's test and the shift of Hodges and Lehmann,
// also of millions of values that are known by histogram only), means (Welch), and
// several questions at once (Holm, Benjamini and Hochberg). It is mathematics and
// nothing else: its tests check it against the examples of those who published it.
package significance

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval holds a figure with some confidence.
type Interval struct{ Low, High float64 }

// Test is the outcome of one.
type Test struct {
	Name      string
	Statistic float64
	P         float64 // two-sided
}

// normalTail returns the probability that a standard normal value is further from 0.
func normalTail(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// quantile returns how far from 0 a standard normal value lies with a confidence.
func quantile(confidence float64) float64 { return distuv.UnitNormal.Quantile(0.5 + confidence/2) }
