package forecast

// past is a history up to an origin, with what several methods need of it.
type past struct {
	y       []float64
	periods []int // those of which there are two cycles at least
	steady  *decomposition
	recent  *decomposition
}

func newPast(y []float64, periods []int) *past {
	p := &past{y: y}
	for _, period := range periods {
		if period > 1 && len(y) >= 2*period {
			p.periods = append(p.periods, period)
		}
	}
	p.steady = decompose(y, p.periods, 1)
	p.recent = p.steady
	if len(p.periods) > 0 {
		p.recent = decompose(y, p.periods, 0.7)
	}
	return p
}

// method forecasts the next h values, or nothing where the past is too short for it.
type method struct {
	name     string
	forecast func(p *past, h int) []float64
}

// methods are what is tried on every history, the simplest first.
var methods = []method{
	{"last value", func(p *past, h int) []float64 { return repeat(p.y[len(p.y)-1], h) }},
	{"last season", func(p *past, h int) []float64 {
		if len(p.periods) == 0 {
			return nil
		}
		period, out := p.periods[len(p.periods)-1], make([]float64, h)
		for i := range out {
			out[i] = p.y[len(p.y)-period+i%period]
		}
		return out
	}},
	{"simple smoothing", func(p *past, h int) []float64 { return p.steady.restore(level(p.steady.adjusted, h), len(p.y)) }},
	{"damped trend", func(p *past, h int) []float64 { return p.recent.restore(damped(p.recent.adjusted, h), len(p.y)) }},
	{"Theta", func(p *past, h int) []float64 { return p.steady.restore(theta(p.steady.adjusted, h), len(p.y)) }},
	{"autoregression", func(p *past, h int) []float64 {
		n := order(p.steady.adjusted, 12)
		out := autoregression(p.steady.adjusted, first(n), h)
		if out == nil {
			return nil
		}
		return p.steady.restore(out, len(p.y))
	}},
	{"autoregression of changes", func(p *past, h int) []float64 {
		out := differences(p.recent.adjusted, 12, h)
		if out == nil {
			return nil
		}
		return p.recent.restore(out, len(p.y))
	}},
	{"seasonal smoothing", func(p *past, h int) []float64 {
		if len(p.periods) == 0 {
			return nil
		}
		return seasonalSmoothing(p.y, p.steady, h)
	}},
	{"seasonal autoregression", func(p *past, h int) []float64 {
		if len(p.periods) == 0 {
			return nil
		}
		lags := first(3)
		for _, period := range p.periods {
			lags = append(lags, period-1, period, period+1)
			if len(p.y) >= 4*period {
				lags = append(lags, 2*period)
			}
		}
		for lags[0] < 1 {
			lags = lags[1:]
		}
		positive := lags[:0]
		for _, l := range lags {
			if l > 0 {
				positive = append(positive, l)
			}
		}
		return autoregression(p.y, positive, h)
	}},
}

// run applies a method. What it gives that is no number counts as nothing.
func (m *method) run(p *past, h int) []float64 {
	out := m.forecast(p, h)
	for _, v := range out {
		if !finite(v) {
			return nil
		}
	}
	return out
}
