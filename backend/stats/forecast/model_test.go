package forecast

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// weekly makes days of about the same sum with a week's pattern.
func weekly(n int, noise float64) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]float64, n)
	for t := range out {
		out[t] = []float64{12, 11, 10, 11, 12, 3, 2}[t%7] + noise*r.NormFloat64()
	}
	return out
}

func TestPatternsAreFound(t *testing.T) {
	history := weekly(400, 0.3)
	m, err := New(history, Options{Horizon: 28, Find: true}) // no period named
	require.NoError(t, err)
	require.Equal(t, []int{7}, m.Periods())
	f := m.Forecast(28)
	for h, v := range f.Point {
		require.InDelta(t, []float64{12, 11, 10, 11, 12, 3, 2}[(400+h)%7], v, 0.5, "step %d by %s", h, m.Method())
	}
	require.InDelta(t, 4*61, m.Cumulative(28).Point[27], 5)
	require.Less(t, m.Accuracy().MASE, 1.5)
	require.Positive(t, m.Accuracy().Windows)
	require.Len(t, m.Forecast(3).Point, 3)
	require.Len(t, m.Forecast(99).Point, 28, "no more than the horizon")
}

// Errors of single steps balance out: the interval of a sum is narrower than the sum of the
// bounds, and never narrower than that of its first step.
func TestSumsHaveTheirOwnIntervals(t *testing.T) {
	m, err := New(weekly(400, 1), Options{Horizon: 28, Periods: []int{7}})
	require.NoError(t, err)
	f, c := m.Forecast(28), m.Cumulative(28)
	bounds := 0.0
	for h := range f.Point {
		bounds += f.Upper80[h] - f.Point[h]
	}
	width := c.Upper80[27] - c.Point[27]
	require.Less(t, width, 0.7*bounds)
	require.Greater(t, width, c.Upper80[0]-c.Point[0])
}

func TestSpecialHistories(t *testing.T) {
	nan := math.NaN()
	for name, tc := range map[string]struct {
		history []float64
		want    float64
	}{
		"two values":     {[]float64{3, 3}, 3},
		"constant":       {[]float64{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 5},
		"zeros":          {make([]float64, 50), 0},
		"negative":       {[]float64{-2, -2, -2, -2, -2, -2, -2, -2, -2, -2, -2, -2}, -2},
		"missing values": {[]float64{nan, nan, 4, nan, 4, 4, nan, nan, 4, 4, 4, nan, 4, 4, 4, nan}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := New(tc.history, Options{Horizon: 5, Periods: []int{7}})
			require.NoError(t, err)
			f := m.Forecast(5)
			for h := range f.Point {
				require.InDelta(t, tc.want, f.Point[h], 1e-9)
				require.InDelta(t, tc.want, f.Lower95[h], 1e-9)
				require.InDelta(t, tc.want, f.Upper95[h], 1e-9)
			}
		})
	}
	m, err := New([]float64{3, 4}, Options{Horizon: 2})
	require.NoError(t, err)
	require.Zero(t, m.Accuracy().Windows)
	require.Equal(t, "last value", m.Method())
	require.Greater(t, m.Forecast(2).Upper80[1], 4.5, "two values say little")
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New([]float64{1}, Options{Horizon: 1})
	require.ErrorIs(t, err, ErrTooShort)
	_, err = New([]float64{1, 2}, Options{})
	require.ErrorContains(t, err, "the horizon is 0: give 1 to 10000 steps, e.g. 30")
	_, err = New([]float64{1, 2}, Options{Horizon: 1, Periods: []int{0}})
	require.ErrorContains(t, err, "a season's period is 0")
	_, err = New([]float64{1, math.Inf(1)}, Options{Horizon: 1})
	require.ErrorContains(t, err, "value 2 of the history is +Inf")
}

func TestCrossing(t *testing.T) {
	m, err := New(weekly(400, 1), Options{Horizon: 28, Periods: []int{7}})
	require.NoError(t, err)
	require.Equal(t, Crossing{}, m.Crossing(0), "nothing is left")
	c := m.Crossing(100) // 61 a week; the history ends after the first day of one
	require.InDelta(t, 11, c.Expected, 1)
	require.True(t, 1 <= c.Earliest && c.Earliest <= c.Expected && c.Expected <= c.Latest, "%+v", c)
	require.Equal(t, Crossing{Never, Never, Never}, m.Crossing(1000))
	saving, err := New([]float64{-1, -2, -1, -2, -1, -2, -1, -2, -1, -2, -1, -2, -1, -2, -1, -2}, Options{Horizon: 9})
	require.NoError(t, err)
	require.Equal(t, Never, saving.Crossing(5).Expected, "costs that fall never use a budget up")
}

// A share of the windows that the intervals were not learned from lies within them, about
// as many as they promise.
func TestCoverageOfWalksAndNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	n, within, sums := 0.0, [2]float64{}, [2]float64{}
	const series, horizon = 60, 14
	for i := range series {
		all := make([]float64, 200+horizon)
		level := 100.0
		for t := range all {
			level += r.NormFloat64() * float64(i%3)
			all[t] = level + 5*r.NormFloat64()
		}
		m, err := New(all[:200], Options{Horizon: horizon, Periods: []int{7}})
		require.NoError(t, err)
		f, c, sum := m.Forecast(horizon), m.Cumulative(horizon), 0.0
		for h, v := range all[200:] {
			n++
			sum += v
			for k, b := range [2][2]float64{{f.Lower80[h], f.Upper80[h]}, {f.Lower95[h], f.Upper95[h]}} {
				if b[0] <= v && v <= b[1] {
					within[k]++
				}
			}
		}
		last := horizon - 1
		for k, b := range [2][2]float64{{c.Lower80[last], c.Upper80[last]}, {c.Lower95[last], c.Upper95[last]}} {
			if b[0] <= sum && sum <= b[1] {
				sums[k]++
			}
		}
	}
	require.InDelta(t, 80, 100*within[0]/n, 7)
	require.InDelta(t, 95, 100*within[1]/n, 5)
	require.InDelta(t, 80, 100*sums[0]/series, 12)
	require.InDelta(t, 95, 100*sums[1]/series, 5)
}

func TestMeasures(t *testing.T) {
	require.InDelta(t, 200*(1.0/21+1.0/39)/2, SMAPE([]float64{11, 19}, []float64{10, 20}), 1e-12)
	require.Zero(t, SMAPE([]float64{0}, []float64{0}))
	require.InDelta(t, 200, SMAPE([]float64{0}, []float64{7}), 0)
	require.InDelta(t, 1.5/2, MASE([]float64{11, 18}, []float64{10, 20}, []float64{1, 3, 5, 7}, 1), 1e-12)
	require.InDelta(t, 1.5/4, MASE([]float64{11, 18}, []float64{10, 20}, []float64{1, 3, 5, 7}, 2), 1e-12)
}
