package forecast

import (
	"errors"
	"fmt"
	"math"
)

// clean returns the values from the first that is known, with the missing ones (NaN)
// filled in: by those one season before and after, else by a line between their
// neighbours. values are not changed.
func clean(values []float64, period int) (filled []float64, missing int, err error) {
	from := 0
	for from < len(values) && math.IsNaN(values[from]) {
		from++
	}
	values = values[from:]
	known := 0
	for i, v := range values {
		if math.IsInf(v, 0) {
			return nil, 0, fmt.Errorf("value %d of the history is %v: give finite numbers, or NaN where one is missing", from+i+1, v)
		}
		if !math.IsNaN(v) {
			known++
		}
	}
	if known < 2 {
		return nil, 0, errTooShort(known)
	}
	filled = append([]float64(nil), values...)
	before := 0 // the last known value
	for t := range values {
		if !math.IsNaN(values[t]) {
			before = t
			continue
		}
		missing++
		filled[t] = fill(values, filled, t, before, period)
	}
	return filled, missing, nil
}

func fill(values, filled []float64, t, before, period int) float64 {
	if period > 1 {
		sum, n := 0.0, 0.0
		if t >= period {
			sum, n = sum+filled[t-period]/2, n+0.5
		}
		if t+period < len(values) && !math.IsNaN(values[t+period]) {
			sum, n = sum+values[t+period]/2, n+0.5
		}
		if n > 0 {
			return sum / n
		}
	}
	after := t
	for after < len(values) && math.IsNaN(values[after]) {
		after++
	}
	if after == len(values) {
		return values[before]
	}
	part := float64(t-before) / float64(after-before)
	return values[before]*(1-part) + values[after]*part
}

// ErrTooShort says that a history has fewer than two known values.
var ErrTooShort = errors.New("the history is too short")

func errTooShort(known int) error {
	return fmt.Errorf("%w: it has %d known values, a forecast needs 2 at least", ErrTooShort, known)
}

// space is the scale on which a history is worked on: divided by its largest size, so
// that squares neither overflow nor vanish, and as logarithms where its
// fluctuations grow with its level.
type space struct {
	unit float64
	log  bool
}

func spaceOf(y []float64, period int) space {
	s := space{unit: 0}
	for _, v := range y {
		s.unit = math.Max(s.unit, math.Abs(v))
	}
	if s.unit == 0 {
		s.unit = 1
	}
	s.log = multiplicative(y, s.unit, period)
	return s
}

func (s space) into(y []float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = v / s.unit
		if s.log {
			out[i] = math.Log(out[i])
		}
	}
	return out
}

// outOf is the way back; a number too large to be one becomes the largest.
func (s space) outOf(v float64) float64 {
	if s.log {
		v = math.Exp(math.Min(v, 700))
	}
	return bounded(v * s.unit)
}

func bounded(v float64) float64 {
	return math.Max(-math.MaxFloat64, math.Min(math.MaxFloat64, v))
}

// multiplicative says whether fluctuations grow in proportion to the level: the
// logarithm of the spread of each block of values rises by more than half of that of
// its mean.
func multiplicative(y []float64, unit float64, period int) bool {
	width := max(period, 8)
	if len(y) < 4*width {
		width = max(4, len(y)/4)
	}
	var x, z []float64
	for from := 0; from+width <= len(y); from += width {
		mean, squares := 0.0, 0.0
		for _, v := range y[from : from+width] {
			if v <= 0 || v < unit*1e-6 {
				return false
			}
			mean += v / unit / float64(width)
		}
		for _, v := range y[from : from+width] {
			squares += (v/unit - mean) * (v/unit - mean)
		}
		if squares == 0 {
			continue
		}
		x, z = append(x, math.Log(mean)), append(z, math.Log(squares)/2)
	}
	for _, v := range y {
		if v <= 0 || v < unit*1e-6 {
			return false
		}
	}
	return len(x) >= 4 && slope(x, z) > 0.5
}

func slope(x, z []float64) float64 {
	mx, mz := 0.0, 0.0
	for i := range x {
		mx += x[i] / float64(len(x))
		mz += z[i] / float64(len(x))
	}
	xx, xz := 0.0, 0.0
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		xz += (x[i] - mx) * (z[i] - mz)
	}
	if xx == 0 {
		return 0
	}
	return xz / xx
}
