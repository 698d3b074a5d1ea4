package significance

import (
	"math"
)

// Bins count values by bins of width 1: bin i holds those above i-1, up to i. Low
// counts those that lie below all bins, as zeros do on a logarithmic scale.
type Bins struct {
	First int // the bin of Count[0]
	Count []uint64
	Low   uint64
}

// BinnedShift is Shift for values that are known by their bins only, in time that
// does not depend on how many there are. Within a bin they are taken to lie evenly,
// so the result is finer than the bins are wide. A limit beyond the bins, because so
// many values lie below all of them, is infinite. The interval is that of the normal
// distribution.
func BinnedShift(a, b Bins, confidence float64) (shift float64, interval Interval) {
	d := differences(a, b)
	m, n := float64(a.Low)+size(a.Count), float64(b.Low)+size(b.Count)
	_, ties, _ := pairs(a.Values(), b.Values())
	reach := quantile(confidence) * deviation(m, n, ties)
	return d.at(m * n / 2), Interval{d.at(m*n/2 - reach), d.at(m*n/2 + reach)}
}

// Values are the bins as values.
func (b Bins) Values() Values {
	var v Values
	if b.Low > 0 {
		v.Value, v.Count = append(v.Value, math.Inf(-1)), append(v.Count, b.Low)
	}
	for i, c := range b.Count {
		if c > 0 {
			v.Value, v.Count = append(v.Value, float64(b.First+i)), append(v.Count, c)
		}
	}
	return v
}

func size(counts []uint64) float64 {
	n := 0.0
	for _, c := range counts {
		n += float64(c)
	}
	return n
}

// spread counts pairs by the difference of their bins.
type spread struct {
	below, above float64 // infinite differences
	first        int
	times        []float64
}

func differences(a, b Bins) spread {
	d := spread{
		below: float64(b.Low) * size(a.Count), above: float64(a.Low) * size(b.Count),
		first: b.First - a.First - max(0, len(a.Count)-1),
	}
	d.times = make([]float64, max(1, len(a.Count)+len(b.Count)-1))
	for i, x := range a.Count {
		if x == 0 {
			continue
		}
		for j, y := range b.Count {
			d.times[b.First+j-a.First-i-d.first] += float64(x) * float64(y)
		}
	}
	// Two that lie below all bins are equal, whatever they are.
	if both := float64(a.Low) * float64(b.Low); both > 0 {
		d.widen(0)
		d.times[-d.first] += both
	}
	return d
}

// widen has a place for a difference.
func (d *spread) widen(at int) {
	for at < d.first {
		d.times = append([]float64{0}, d.times...)
		d.first--
	}
	for at >= d.first+len(d.times) {
		d.times = append(d.times, 0)
	}
}

// at returns the difference that a number of pairs do not exceed. Two values that
// lie evenly in bins k apart differ by k-1 to k+1, in the shape of a triangle.
func (d *spread) at(pairs float64) float64 {
	if pairs < d.below {
		return math.Inf(-1)
	}
	// seen is what lies below first + i: half of the pairs of bins that far apart.
	seen := d.below
	for i := -1; i < len(d.times); i++ {
		here, next := 0.0, 0.0
		if i >= 0 {
			here = d.times[i]
		}
		if i+1 < len(d.times) {
			next = d.times[i+1]
		}
		step := here/2 + next/2
		if seen+step >= pairs && step > 0 {
			return float64(d.first+i) + within(here, next, pairs-seen)
		}
		seen += step
	}
	if d.above > 0 {
		return math.Inf(1)
	}
	return float64(d.first + len(d.times))
}

// within returns how far from one whole difference to the next so many pairs lie:
// the t at which here·(t - t²/2) + next·t²/2 is wanted.
func within(here, next, wanted float64) float64 {
	low, high := 0.0, 1.0
	for range 50 {
		t := (low + high) / 2
		if here*(t-t*t/2)+next*t*t/2 < wanted {
			low = t
		} else {
			high = t
		}
	}
	return (low + high) / 2
}
