package anomaly

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

const (
	learn = 8 * 168 // hours to learn from
	judge = 4 * 168
)

// hours are values about a week's pattern, times 1 at night to 3 at noon of working days.
func hours(n int, draw func(mean float64) float64) []float64 {
	out := make([]float64, n)
	for t := range out {
		mean := 2 - math.Cos(2*math.Pi*float64(t%24)/24)
		if day := t / 24 % 7; day >= 5 {
			mean = 1
		}
		out[t] = draw(mean)
	}
	return out
}

func normal(seed uint64, level, deviation float64) func(float64) float64 {
	r := rand.New(rand.NewPCG(seed, 7))
	return func(mean float64) float64 { return level*mean + deviation*r.NormFloat64() }
}

func poisson(seed uint64, level float64) func(float64) float64 {
	d := distuv.Poisson{Src: rand.NewPCG(seed, 8)}
	return func(mean float64) float64 {
		d.Lambda = level * mean
		return d.Rand()
	}
}

func unusual(t *testing.T, values []float64, o Options) []int {
	t.Helper()
	judged, err := Detect(values, o)
	require.NoError(t, err)
	out := []int{}
	for i := range judged.Values {
		j := &judged.Values[i]
		for _, n := range []float64{j.Expected, j.Lower, j.Upper, j.Score} {
			require.False(t, math.IsNaN(n) || math.IsInf(n, 0), "%+v", j)
		}
		require.LessOrEqual(t, j.Lower, j.Expected)
		require.LessOrEqual(t, j.Expected, j.Upper)
		require.GreaterOrEqual(t, j.Index, o.From)
		v := values[j.Index]
		require.Equal(t, j.Unusual(), v < j.Lower-1e-9*math.Abs(j.Lower) || v > j.Upper+1e-9*math.Abs(j.Upper), "%v: %+v", v, j)
		if j.Unusual() {
			out = append(out, j.Index)
		}
	}
	return out
}

func hourly(falseAlarms float64, counts bool) Options {
	return Options{From: learn, Seasons: []int{24, 168}, FalseAlarms: falseAlarms, Counts: counts}
}

// Of usual values about as many are called unusual as are promised: at most twice as many,
// and at least half.
func TestFalseAlarmsAreAsManyAsPromised(t *testing.T) {
	const series = 30
	for name, tc := range map[string]struct {
		counts bool
		draw   func(seed uint64) func(float64) float64
	}{
		"normal": {false, func(seed uint64) func(float64) float64 { return normal(seed, 100, 10) }},
		"no pattern": {false, func(seed uint64) func(float64) float64 {
			d := normal(seed, 0, 10)
			return func(float64) float64 { return d(0) }
		}},
		"counts": {true, func(seed uint64) func(float64) float64 { return poisson(seed, 30) }},
		"large":  {true, func(seed uint64) func(float64) float64 { return poisson(seed, 10_000) }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, promised := range []float64{0.05, 0.01, 0.001} {
				alarms := 0
				for seed := range uint64(series) {
					alarms += len(unusual(t, hours(learn+judge, tc.draw(seed)), hourly(promised, tc.counts)))
				}
				share := float64(alarms) / (series * judge)
				t.Logf("promised %v: %v", promised, share)
				require.Greater(t, share, promised/2)
				require.Less(t, share, promised*2)
			}
		})
	}
	t.Run("few counts are not called unusual more often", func(t *testing.T) {
		alarms := 0
		for seed := range uint64(series) {
			alarms += len(unusual(t, hours(learn+judge, poisson(seed, 0.3)), hourly(0.01, true)))
		}
		require.Less(t, float64(alarms)/(series*judge), 0.01)
	})
}

func TestWhatIsPlantedIsFound(t *testing.T) {
	const at = learn + 200
	for name, tc := range map[string]struct {
		change func(v []float64)
		want   []int
	}{
		"spike": {func(v []float64) { v[at] += 150 }, []int{at}},
		"drop":  {func(v []float64) { v[at] = 0 }, []int{at}},
		"at the wrong time": {func(v []float64) { // as high as at noon, in the night
			night := (at/24 + 1) * 24
			v[night] = v[night+12]
		}, []int{(at/24 + 1) * 24}},
		"outages in what was learned from": {func(v []float64) {
			for i := 100; i < learn; i += 300 {
				copy(v[i:i+6], make([]float64, 6))
			}
			v[at] += 150
		}, []int{at}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(5) {
				values := hours(learn+judge, normal(seed, 100, 10))
				tc.change(values)
				require.Subset(t, unusual(t, values, hourly(0.0001, false)), tc.want)
			}
		})
	}
	t.Run("a new level is unusual until it is the usual one", func(t *testing.T) {
		values := hours(learn+judge, normal(1, 100, 10))
		for i := at; i < len(values); i++ {
			values[i] += 120
		}
		found := unusual(t, values, hourly(0.0001, false))
		require.Equal(t, at, found[0])
		require.Greater(t, len(found), 40)
		require.Less(t, found[len(found)-1], at+168)
	})
	t.Run("no false alarms beside it", func(t *testing.T) {
		values := hours(learn+judge, poisson(3, 30))
		values[at] = 400
		judged, err := Detect(values, hourly(0.00001, true))
		require.NoError(t, err)
		require.Contains(t, []int{24, 168}, judged.Season)
		require.Equal(t, []int{at}, unusual(t, values, hourly(0.00001, true)))
	})
}

// A value is judged by those before it alone.
func TestTheFutureDoesNotMatter(t *testing.T) {
	values := hours(learn+judge, normal(1, 100, 10))
	whole, err := Detect(values, hourly(0.01, false))
	require.NoError(t, err)
	cut, err := Detect(values[:learn+100], hourly(0.01, false))
	require.NoError(t, err)
	require.Len(t, cut.Values, 100)
	require.Equal(t, cut.Season, whole.Season)
	for i, j := range cut.Values {
		require.Equal(t, j.Index, whole.Values[i].Index)
		require.InDelta(t, j.Expected, whole.Values[i].Expected, 1e-9)
		require.InDelta(t, j.Score, whole.Values[i].Score, 1e-9)
	}
}

func TestSpecialSeries(t *testing.T) {
	constant := func(v float64) []float64 { return hours(learn+judge, func(float64) float64 { return v }) }
	for name, values := range map[string][]float64{
		"zeros": constant(0), "constant": constant(7), "a share": constant(0.3), "huge": constant(math.MaxFloat64), "negative": constant(-5), "tiny": constant(5e-324),
		"missing": constant(math.NaN()), "none": {}, "one": {1}, "few": {1, 2, 3, 100},
	} {
		for _, counts := range []bool{true, false} {
			o := hourly(0.01, counts)
			o.From = min(o.From, len(values))
			require.Empty(t, unusual(t, values, o), name)
		}
	}
	zeros := constant(0)
	zeros[learn+5], zeros[learn+7] = 3, 30
	require.Equal(t, []int{learn + 7}, unusual(t, zeros, hourly(0.001, true)), "three failures after none are no alarm, thirty are")

	gaps := hours(learn+judge, normal(2, 100, 10))
	for i := range gaps {
		if i%5 == 0 || i > 500 && i < 700 {
			gaps[i] = math.NaN()
		}
	}
	gaps[learn+62] += 200
	judged, err := Detect(gaps, hourly(0.0001, false))
	require.NoError(t, err)
	require.Greater(t, len(judged.Values), judge/2)
	for _, j := range judged.Values {
		require.NotZero(t, j.Index%5, "what is missing is not judged")
	}
	require.Contains(t, unusual(t, gaps, hourly(0.0001, false)), learn+62)

	// Nothing to learn from: the first are not judged, those behind them are.
	late := hourly(0.0001, false)
	late.From = 0
	values := hours(400, normal(4, 100, 10))
	values[390] = 1000
	found := unusual(t, values, late)
	require.Contains(t, found, 390)
	require.Greater(t, found[0], fewest)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, share := range []float64{0, -1, 0.6, math.NaN()} {
		_, err := Detect([]float64{1}, Options{FalseAlarms: share})
		require.ErrorContains(t, err, "the share of false alarms is")
	}
	_, err := Detect([]float64{1, math.Inf(1)}, Options{FalseAlarms: 0.1})
	require.ErrorContains(t, err, "value 2 is +Inf")
	_, err = Detect([]float64{1}, Options{FalseAlarms: 0.1, Seasons: []int{0}})
	require.ErrorContains(t, err, "a season's length is 0")
}
