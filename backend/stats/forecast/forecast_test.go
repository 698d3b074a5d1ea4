package forecast

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever the history, a forecast is finite, its intervals lie within each other, and the
// same history gives it again.
func TestForecastsAreFiniteAndOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := histories(t)
		o := Options{Horizon: rapid.IntRange(1, 40).Draw(t, "horizon"), Periods: rapid.SampledFrom([][]int{nil, {1}, {7}, {7, 30}, {24, 168}}).Draw(t, "periods")}
		m, err := New(values, o)
		if err != nil {
			require.ErrorIs(t, err, ErrTooShort)
			return
		}
		negative := false
		for _, v := range values {
			negative = negative || v < 0
		}
		for _, f := range []Forecast{m.Forecast(o.Horizon), m.Cumulative(o.Horizon)} {
			require.Len(t, f.Point, o.Horizon)
			for h := range f.Point {
				row := []float64{f.Lower95[h], f.Lower80[h], f.Point[h], f.Upper80[h], f.Upper95[h]}
				for i, v := range row {
					require.True(t, finite(v), "step %d: %v of %v", h, row, values)
					require.True(t, i == 0 || row[i-1] <= v, "step %d: %v of %v", h, row, values)
					require.True(t, negative || v >= 0, "step %d: %v is below zero", h, v)
				}
			}
		}
		a := m.Accuracy()
		for _, v := range []float64{a.SMAPE, a.MASE, a.Coverage80, a.Coverage95} {
			require.True(t, finite(v) && v >= 0, "%+v", a)
		}
		again, err := New(values, o)
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// histories are of any length, with zeros, gaps, repeats, extremes and negative values.
func histories(t *rapid.T) []float64 {
	n := rapid.IntRange(0, 90).Draw(t, "n")
	scale := rapid.SampledFrom([]float64{1, 1e-300, 1e-12, 1e9, 1e307}).Draw(t, "scale")
	value := rapid.SampledFrom([]*rapid.Generator[float64]{
		rapid.Float64Range(0, 1), rapid.Float64Range(-1, 1), rapid.SampledFrom([]float64{0, 1}),
		rapid.Just(0.5), rapid.SampledFrom([]float64{0, 0, 0, 1, math.NaN(), -1e-9}), rapid.Float64Range(0.9, 1),
	}).Draw(t, "kind")
	out := make([]float64, n)
	for i := range out {
		out[i] = value.Draw(t, "v") * scale
	}
	return out
}
