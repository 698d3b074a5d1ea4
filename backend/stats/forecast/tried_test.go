package forecast

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// week says the values of a week before, with bounds so far away.
func week(values []float64, reach float64) func(known, steps int) Forecast {
	return func(known, steps int) Forecast {
		f := Forecast{}
		for h := range steps {
			v := values[known-7+h%7]
			f.Point = append(f.Point, v)
			f.Lower80, f.Upper80 = append(f.Lower80, v-reach), append(f.Upper80, v+reach)
			f.Lower95, f.Upper95 = append(f.Lower95, v-2*reach), append(f.Upper95, v+2*reach)
		}
		return f
	}
}

func TestAnotherIsTriedOnThePast(t *testing.T) {
	const horizon = 14
	values := weekly(400, 0.5)
	of := week(values, 0.5)
	asked := 0
	another := Another{Method: "a week before", Forecast: of(len(values), horizon), Past: func(known []int, steps int) ([]Forecast, error) {
		out := make([]Forecast, len(known))
		for i, n := range known {
			require.LessOrEqual(t, n+steps, len(values), "only what has come since can be compared")
			out[i] = of(n, steps)
			asked++
		}
		return out, nil
	}}
	o := Options{Horizon: horizon, Periods: []int{7}}
	m, err := Try(values, o, another)
	require.NoError(t, err)
	require.Equal(t, origins, asked)
	require.Equal(t, "a week before", m.Method())
	require.Equal(t, []int{7}, m.Periods())
	require.Equal(t, another.Forecast, m.Forecast(horizon), "its forecast is left as it is")
	own, err := New(values, o)
	require.NoError(t, err)
	// Both are tried on the same moments. What a week before was is off by the noise of two
	// values, and its bounds are one and two noises away.
	a, b := m.Accuracy(), own.Accuracy()
	require.Equal(t, b.Windows, a.Windows)
	require.Equal(t, b.Horizon, a.Horizon)
	require.InDelta(t, 1, a.MASE, 0.3)
	require.Greater(t, a.MASE, b.MASE)
	require.InDelta(t, 0.52, a.Coverage80, 0.1)
	require.InDelta(t, 0.84, a.Coverage95, 0.1)
	sum := 0.0
	for _, v := range another.Forecast.Point {
		sum += v
	}
	total := m.Cumulative(horizon)
	last := horizon - 1
	require.InDelta(t, sum, total.Point[last], 1e-9)
	require.Less(t, total.Lower95[last], total.Lower80[last])
	require.Less(t, total.Lower80[last], sum)
	require.Greater(t, total.Upper80[last], sum)
	c := m.Crossing(61)
	require.InDelta(t, 7, c.Expected, 1)

	another.Total = &Forecast{Lower80: []float64{1}, Upper80: []float64{2}, Lower95: []float64{0}, Upper95: []float64{3}}
	m, err = Try(values, o, another)
	require.NoError(t, err)
	total = m.Cumulative(horizon)
	require.InDelta(t, sum, total.Point[last], 1e-9)
	require.Equal(t, []float64{1, 2, 0, 3}, []float64{total.Lower80[last], total.Upper80[last], total.Lower95[last], total.Upper95[last]})
}

func TestAnotherThatCannotBeTried(t *testing.T) {
	values := append([]float64{math.NaN(), math.NaN()}, weekly(60, 0.5)...)
	of := week(values, 0.5)
	o := Options{Horizon: 7, Periods: []int{7}}
	refuses := Another{Method: "m", Forecast: of(len(values), 7), Past: func(known []int, steps int) ([]Forecast, error) {
		out := make([]Forecast, len(known))
		for i, n := range known {
			if n > 40 { // the past is too short for it before
				out[i] = of(n, steps)
			}
		}
		return out, nil
	}}
	m, err := Try(values, o, refuses)
	require.NoError(t, err)
	require.Positive(t, m.Accuracy().Windows)
	require.Less(t, m.Accuracy().Windows, origins)
	refuses.Past = func(known []int, _ int) ([]Forecast, error) { return make([]Forecast, len(known)), nil }
	m, err = Try(values, o, refuses)
	require.NoError(t, err)
	require.Zero(t, m.Accuracy().Windows)
	require.Greater(t, m.Cumulative(7).Upper80[6], m.Cumulative(7).Point[6], "of a random walk")
	refuses.Past = func([]int, int) ([]Forecast, error) { return nil, errors.New("it has crashed") }
	_, err = Try(values, o, refuses)
	require.ErrorContains(t, err, "it has crashed")
	_, err = Try(values[:3], o, refuses)
	require.ErrorIs(t, err, ErrTooShort)
	_, err = Try(values, Options{}, refuses)
	require.ErrorContains(t, err, "the horizon is 0")
}
