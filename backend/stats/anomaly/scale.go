package anomaly

import "math"

// scale is that on which values are judged: counts as roots, anything else in units of the
// largest, so that nothing overflows.
type scale struct {
	counts   bool
	unit     float64
	negative bool
}

// scaleOf believes that values are counts when all are whole and none is negative.
func scaleOf(values []float64, counts bool) scale {
	s := scale{counts: counts}
	for _, v := range values {
		if math.IsNaN(v) {
			continue
		}
		s.unit = math.Max(s.unit, math.Abs(v))
		s.negative = s.negative || v < 0
		s.counts = s.counts && v >= 0 && v == math.Trunc(v)
	}
	if s.unit == 0 {
		s.unit = 1
	}
	return s
}

func (s *scale) into(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		if s.counts {
			out[i] = root(v)
		} else {
			out[i] = v / s.unit
		}
	}
	return out
}

// root is Anscombe's: of counts that vary as those of things that happen independently, its
// standard deviation is 1 whatever their mean, from about 4 on.
func root(v float64) float64 { return 2 * math.Sqrt(v+0.375) }

// outOf is the way back. What was never negative is not expected to be.
func (s *scale) outOf(v float64) float64 {
	if s.counts {
		v = math.Max(v, 0)
		v = v*v/4 - 0.375
	} else {
		v *= s.unit
	}
	if !s.negative {
		v = math.Max(v, 0)
	}
	return math.Max(-math.MaxFloat64, math.Min(math.MaxFloat64, v))
}

// floor is the least standard deviation that is believed in: counts vary as those of
// independent things at least, and a thousandth of a level is no matter for an alarm.
func (s *scale) floor(expected float64) float64 {
	if s.counts {
		return 1
	}
	return math.Max(1e-3*math.Abs(expected), 1e-9)
}
