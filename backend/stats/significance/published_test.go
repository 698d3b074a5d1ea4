package significance

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Newcombe, R. G. (1998): Interval estimation for the difference between independent
// proportions. Statistics in Medicine 17, 873-890, Table II, method 10.
func TestNewcombe1998(t *testing.T) {
	for _, c := range []struct {
		x1, n1, x2, n2 uint64
		low, high      float64
	}{
		{56, 70, 48, 80, 0.0524, 0.3339},
		{9, 10, 3, 10, 0.1705, 0.8090},
		{6, 7, 2, 7, 0.0582, 0.8062},
		{5, 56, 0, 29, -0.0381, 0.1926},
		{0, 10, 0, 20, -0.1611, 0.2775},
		{0, 10, 0, 10, -0.2775, 0.2775},
		{10, 10, 0, 20, 0.6791, 1.0000},
		{10, 10, 0, 10, 0.6075, 1.0000},
	} {
		got := Difference(Proportion{c.x2, c.n2}, Proportion{c.x1, c.n1}, 0.95)
		require.InDelta(t, c.low, got.Low, 5e-5, c)
		require.InDelta(t, c.high, got.High, 5e-5, c)
	}
}

// The score interval of a single proportion: Newcombe, R. G. (1998): Two-sided
// confidence intervals for the single proportion. Statistics in Medicine 17,
// 857-872, Table I, method 3.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		x, n      uint64
		low, high float64
	}{
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718},
	} {
		got := Proportion{c.x, c.n}.Wilson(0.95)
		require.InDelta(t, c.low, got.Low, 5e-5, c)
		require.InDelta(t, c.high, got.High, 5e-5, c)
	}
}

// Fisher's tea taster (Agresti, Categorical Data Analysis) and his table of convicted
// twins (Fisher 1962), as the documentation of R's fisher.test gives them.
func TestFisherPublished(t *testing.T) {
	require.InDelta(t, 0.4857, Fisher(Proportion{3, 4}, Proportion{1, 4}).P, 5e-5)
	require.InDelta(t, 0.0005367, Fisher(Proportion{2, 17}, Proportion{10, 13}).P, 5e-8)
}

// The physicians' health study on aspirin and heart attacks (Agresti, Categorical
// Data Analysis): chi-square 25.014, p 5.692e-07.
func TestScorePublished(t *testing.T) {
	got := CompareProportions(Proportion{104, 11037}, Proportion{189, 11034})
	require.Equal(t, "score test", got.Name)
	require.InDelta(t, 25.014, got.Statistic*got.Statistic, 5e-4)
	require.InDelta(t, 5.692e-07, got.P, 5e-11)
}

// Hollander and Wolfe (1973), 69f.: permeability constants of the chorioamnion at term
// and at 12 to 26 weeks. As in the documentation of R's wilcox.test: W = 35, and p =
// 0.1272 to the one side, so twice that to both. The estimate is 0.305 (Hollander and
// Wolfe), its interval of 95 % from -0.15 to 0.76.
func TestHollanderWolfe(t *testing.T) {
	term := Of([]float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46})
	early := Of([]float64{1.15, 0.88, 0.90, 0.74, 1.21})
	got := MannWhitney(term, early)
	require.InDelta(t, 35, got.Statistic, 0)
	require.InDelta(t, 2*0.1272, got.P, 1e-4)
	shift, interval := Shift(early, term, 0.95)
	require.InDelta(t, 0.305, shift, 1e-9)
	require.InDelta(t, -0.15, interval.Low, 1e-9)
	require.InDelta(t, 0.76, interval.High, 1e-9)
}

// With ties: ozone in May and August (Chambers and others 1983), as in the
// documentation of R's wilcox.test: W = 127.5, p = 0.0001208.
func TestMannWhitneyWithTies(t *testing.T) {
	may := Of([]float64{41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37})
	august := Of([]float64{39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85})
	got := MannWhitney(may, august)
	require.InDelta(t, 127.5, got.Statistic, 0)
	require.InDelta(t, 0.0001208, got.P, 5e-8)
}

// Mann, H. B. and Whitney, D. R. (1947): On a test of whether one of two random
// variables is stochastically larger than the other. Ann. Math. Statist. 18, 50-60,
// Table I, n = m = 4: the probability of at most U.
func TestMannWhitney1947(t *testing.T) {
	below := 0.0
	counts := rankCounts(4, 4)
	for u, want := range []float64{0.014, 0.029, 0.057, 0.100, 0.171, 0.243, 0.343, 0.443, 0.557} {
		below += counts[u]
		require.InDelta(t, want, below/70, 5e-4, u)
	}
}

// Student's sleep data, as in the documentation of R's t.test: t = -1.8608, df =
// 17.776, p = 0.07939, interval -3.3654832 to 0.2054832.
func TestWelchPublished(t *testing.T) {
	first := MomentsOf(Of([]float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}))
	second := MomentsOf(Of([]float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}))
	got, interval := Welch(second, first, 0.95)
	require.InDelta(t, -1.8608, got.Statistic, 5e-5)
	require.InDelta(t, 0.07939, got.P, 5e-6)
	require.InDelta(t, -3.3654832, interval.Low, 5e-8)
	require.InDelta(t, 0.2054832, interval.High, 5e-8)
}

// The 15 probabilities of Benjamini, Y. and Hochberg, Y. (1995): Controlling the
// false discovery rate. J. R. Statist. Soc. B 57, 289-300, section 3.2: at 0.05 their
// procedure refuses the first four, the one of Holm the first three.
func TestBenjaminiHochberg1995(t *testing.T) {
	p := []float64{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1}
	refused := func(adjusted []float64) (n int) {
		for _, q := range adjusted {
			if q <= 0.05 {
				n++
			}
		}
		return n
	}
	require.Equal(t, 4, refused(BenjaminiHochberg(p)))
	require.Equal(t, 3, refused(Holm(p)))
	require.InDelta(t, 0.0001*15, BenjaminiHochberg(p)[0], 1e-12)
	require.InDelta(t, 0.0095*15/4, BenjaminiHochberg(p)[3], 1e-12)
	require.InDelta(t, 0.0004*14, Holm(p)[1], 1e-12)
	require.InDelta(t, 1, Holm(p)[14], 0)
	require.False(t, math.IsNaN(Holm(p)[7]))
}
