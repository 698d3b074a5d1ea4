package forecast

import "math"

// Another is a forecast that somebody else has made of a history.
type Another struct {
	Method string
	// Forecast has Horizon steps.
	Forecast Forecast
	// Total is the interval of the sum of all steps, of one step; nil: only past errors say.
	Total *Forecast
	// Past forecasts steps from earlier moments, when only so many values of the history were
	// known. One that cannot be made is empty.
	Past func(known []int, steps int) ([]Forecast, error)
}

// Try makes a model of another's forecast: it is tried on the history's past as the methods
// of New are, so that its accuracy, and how far sums may be off, are known as well. Values
// and options are those of New.
func Try(values []float64, o Options, of Another) (*Model, error) {
	season, err := o.check()
	if err != nil {
		return nil, err
	}
	history, _, err := clean(values, season)
	if err != nil {
		return nil, err
	}
	history = history[max(0, len(history)-longest):]
	s := space{unit: spaceOf(history, season).unit}
	y := s.into(history)
	b := windows(y, o.Horizon)
	known := make([]int, len(b.at))
	for k, at := range b.at {
		known[k] = len(values) - len(history) + at
	}
	past, err := of.Past(known, b.horizon)
	if err != nil {
		return nil, err
	}
	b, past = b.answered(past)
	m := &Model{method: of.Method, points: of.Forecast, accuracy: s.measured(b, history, past, season)}
	for _, period := range o.Periods {
		if period > 1 && len(history) >= 2*period {
			m.periods = append(m.periods, period)
		}
	}
	floor := math.Inf(-1)
	if lowest(history) >= 0 {
		floor = 0
	}
	points := make([][]float64, len(past))
	for k, f := range past {
		points[k] = s.into(f.Point)
	}
	m.sums = s.sums(b, y, s.into(of.Forecast.Point), points, floor)
	if last := o.Horizon - 1; of.Total != nil {
		m.sums.Lower80[last], m.sums.Upper80[last] = of.Total.Lower80[0], of.Total.Upper80[0]
		m.sums.Lower95[last], m.sums.Upper95[last] = of.Total.Lower95[0], of.Total.Upper95[0]
	}
	return m, nil
}

// answered leaves the origins from which there is a forecast.
func (b *backtest) answered(past []Forecast) (*backtest, []Forecast) {
	out := &backtest{horizon: b.horizon}
	var kept []Forecast
	for k, f := range past {
		if len(f.Point) > 0 {
			out.at, out.actual, kept = append(out.at, b.at[k]), append(out.actual, b.actual[k]), append(kept, f)
		}
	}
	return out, kept
}

// measured is how right past forecasts and their own intervals were.
func (s space) measured(b *backtest, history []float64, past []Forecast, season int) Accuracy {
	a := Accuracy{Windows: len(past), Horizon: b.horizon}
	n, within80, within95 := 0.0, 0.0, 0.0
	for k, f := range past {
		actual := make([]float64, b.horizon)
		for h := range actual {
			actual[h] = s.outOf(b.actual[k][h])
			n++
			if f.Lower80[h] <= actual[h] && actual[h] <= f.Upper80[h] {
				within80++
			}
			if f.Lower95[h] <= actual[h] && actual[h] <= f.Upper95[h] {
				within95++
			}
		}
		a.SMAPE += SMAPE(f.Point, actual) / float64(len(past))
		a.MASE += MASE(f.Point, actual, history[:b.at[k]], season) / float64(len(past))
	}
	if n > 0 {
		a.Coverage80, a.Coverage95 = within80/n, within95/n
	}
	return a
}
