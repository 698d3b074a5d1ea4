package event

import "math"

// DurationSchema is the resolution of duration histograms: Prometheus' native
// histogram schema 4, 16 buckets per doubling, each 4.4 % wide.
const DurationSchema = 4

// ZeroBucket is the bucket of a duration of 0 ms. It lies below every index
// that a positive duration can have.
const ZeroBucket int16 = -32768

// durationBounds are the bounds of schema 4 within one doubling, as fractions
// of math.Frexp. They are Prometheus' own constants, digit for digit
// (client_golang, prometheus/histogram.go, nativeHistogramBounds[4]), so that a
// sample lands in the bucket in which Prometheus would put it.
var durationBounds = [1 << DurationSchema]float64{
	0.5, 0.5221368912137069, 0.5452538663326288, 0.5693943173783458,
	0.5946035575013605, 0.620928906036742, 0.6484197773255048, 0.6771277734684463,
	0.7071067811865475, 0.7384130729697496, 0.7711054127039704, 0.805245165974627,
	0.8408964152537144, 0.8781260801866495, 0.9170040432046711, 0.9576032806985735,
}

// DurationBucket returns the index of the bucket of a duration in milliseconds.
// The unit of the histogram is the second: bucket i holds (2^((i-1)/16),
// 2^(i/16)] seconds. No duration (0, or less) is ZeroBucket.
//
// The method is Prometheus' (client_golang, prometheus/histogram.go,
// histogramCounts.observe).
func DurationBucket(ms int64) int16 {
	if ms <= 0 {
		return ZeroBucket
	}
	frac, exp := math.Frexp(float64(ms) / 1000)
	// A binary search for the first bound that is not below frac, unrolled by
	// the compiler; frac is at least durationBounds[0].
	i := 0
	for step := len(durationBounds) / 2; step > 0; step /= 2 {
		if durationBounds[i+step-1] < frac {
			i += step
		}
	}
	if durationBounds[i] < frac {
		i++
	}
	return int16(i + (exp-1)*len(durationBounds))
}

// BucketBounds returns the bounds of a bucket in seconds, the lower exclusive,
// the upper inclusive. ZeroBucket has the bounds 0 and 0.
func BucketBounds(i int16) (lower, upper float64) {
	if i == ZeroBucket {
		return 0, 0
	}
	return bucketUpper(int(i) - 1), bucketUpper(int(i))
}

// BucketMidpoint returns the geometric midpoint of a bucket in seconds, by which
// a percentile is reported: no value of the bucket differs from it by more
// than 2.2 %.
func BucketMidpoint(i int16) float64 {
	if i == ZeroBucket {
		return 0
	}
	return math.Exp2((float64(i) - 0.5) / float64(len(durationBounds)))
}

// bucketUpper is Prometheus' getLe.
func bucketUpper(i int) float64 {
	return math.Ldexp(durationBounds[i&(len(durationBounds)-1)], (i>>DurationSchema)+1)
}
