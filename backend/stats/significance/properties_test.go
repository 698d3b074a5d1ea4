package significance

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func anySample(t *rapid.T, most int) []float64 {
	return rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 20), func(n int) float64 { return float64(n) }), 1, most).Draw(t, "sample")
}

// The statistic is the count of pairs; swapping the samples turns it round and leaves
// the probability.
func TestMannWhitneyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := anySample(t, 30), anySample(t, 30)
		u := 0.0
		for _, a := range x {
			for _, b := range y {
				switch {
				case a > b:
					u++
				case a == b:
					u += 0.5
				}
			}
		}
		one, other := MannWhitney(Of(x), Of(y)), MannWhitney(Of(y), Of(x))
		require.InDelta(t, u, one.Statistic, 1e-9)
		require.InDelta(t, float64(len(x)*len(y)), one.Statistic+other.Statistic, 1e-9)
		require.InDelta(t, one.P, other.P, 1e-12)
		shift, interval := Shift(Of(x), Of(y), 0.95)
		back, _ := Shift(Of(y), Of(x), 0.95)
		require.InDelta(t, shift, -back, 1e-9)
		require.LessOrEqual(t, interval.Low, shift)
		require.GreaterOrEqual(t, interval.High, shift)
	})
}

// The distribution of ranks is that of all orders.
func TestExactDistributionIsCounted(t *testing.T) {
	for m := 1; m <= 5; m++ {
		for n := 1; n <= 5; n++ {
			want := make([]float64, m*n+1)
			for set := range 1 << (m + n) {
				u, smaller, of := 0, 0, 0
				for bit := range m + n {
					if set>>bit&1 == 1 {
						u += smaller
						of++
					} else {
						smaller++
					}
				}
				if of == m {
					want[u]++
				}
			}
			require.Equal(t, want, rankCounts(m, n), "%d %d", m, n)
		}
	}
}

func TestProportionProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Proportion {
			n := rapid.Uint64Range(1, 60).Draw(t, name)
			return Proportion{rapid.Uint64Range(0, n).Draw(t, name+" successes"), n}
		}
		a, b := draw("a"), draw("b")
		d, back := Difference(a, b, 0.95), Difference(b, a, 0.95)
		require.InDelta(t, d.Low, -back.High, 1e-12)
		require.LessOrEqual(t, d.Low, b.Value()-a.Value()+1e-12)
		require.GreaterOrEqual(t, d.High, b.Value()-a.Value()-1e-12)
		for _, test := range []Test{Fisher(a, b), Score(a, b), CompareProportions(a, b)} {
			require.True(t, test.P >= 0 && test.P <= 1, test)
		}
		require.InDelta(t, Fisher(a, b).P, Fisher(b, a).P, 1e-9)
		if a.Value() == b.Value() {
			require.InDelta(t, 1, Fisher(a, b).P, 1e-9)
		}
	})
}

// binsOf counts logarithms by sixteenths of a doubling.
func binsOf(sample []float64) Bins {
	b := Bins{First: -200, Count: make([]uint64, 400)}
	for _, x := range sample {
		if x == 0 {
			b.Low++
			continue
		}
		b.Count[int(math.Ceil(math.Log2(x)*16))+200]++
	}
	return b
}

// Of binned values the shift is that of the values within a small part of a bin, and
// the interval holds the true one as often as it says.
func TestBinnedShift(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const ratio, rounds = 1.03, 200
	held := 0
	for range rounds {
		x, y := make([]float64, 300), make([]float64, 400)
		lx, ly := make([]float64, len(x)), make([]float64, len(y))
		for i := range x {
			x[i] = math.Exp(r.NormFloat64() * 0.4)
			lx[i] = math.Log2(x[i]) * 16
		}
		for i := range y {
			y[i] = ratio * math.Exp(r.NormFloat64()*0.4)
			ly[i] = math.Log2(y[i]) * 16
		}
		shift, interval := BinnedShift(binsOf(x), binsOf(y), 0.95)
		if want := math.Log2(ratio) * 16; interval.Low <= want && want <= interval.High {
			held++
		}
		if held == 1 { // All pairs of one round are enough.
			exact, sure := Shift(Of(lx), Of(ly), 0.95)
			require.InDelta(t, exact, shift, 0.1)
			require.InDelta(t, sure.Low, interval.Low, 0.1)
			require.InDelta(t, sure.High, interval.High, 0.1)
		}
	}
	require.InDelta(t, 0.95*rounds, held, 0.04*rounds)
}

func TestBinnedShiftAtTheEdges(t *testing.T) {
	same := Bins{First: 3, Count: []uint64{4, 0, 9}}
	shift, interval := BinnedShift(same, same, 0.95)
	require.InDelta(t, 0, shift, 1e-9)
	require.InDelta(t, -interval.Low, interval.High, 1e-9)
	later := Bins{First: 13, Count: []uint64{4, 0, 9}}
	shift, _ = BinnedShift(same, later, 0.95)
	require.InDelta(t, 10, shift, 1e-9)
	zeros := Bins{Low: 100}
	shift, _ = BinnedShift(zeros, zeros, 0.95)
	require.InDelta(t, 0, shift, 1e-9)
	shift, _ = BinnedShift(zeros, same, 0.95)
	require.True(t, math.IsInf(shift, 1))
	shift, _ = BinnedShift(same, zeros, 0.95)
	require.True(t, math.IsInf(shift, -1))
	// Millions cost no more than few.
	many := Bins{First: 0, Count: make([]uint64, 600)}
	for i := range many.Count {
		many.Count[i] = 1_000_000
	}
	shift, interval = BinnedShift(many, many, 0.95)
	require.InDelta(t, 0, shift, 1e-6)
	require.Less(t, interval.High-interval.Low, 0.2)
}

func TestWelchAtTheEdges(t *testing.T) {
	one, two := Moments{N: 1, Mean: 3}, Moments{N: 5, Mean: 4}
	test, interval := Welch(one, two, 0.95)
	require.InDelta(t, 1, test.P, 0)
	require.True(t, math.IsInf(interval.High, 1))
	test, _ = Welch(two, two, 0.95)
	require.InDelta(t, 1, test.P, 0)
	test, _ = Welch(Moments{N: 5, Mean: 3}, two, 0.95)
	require.InDelta(t, 0, test.P, 0)
}

func TestAdjustedKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 10).Draw(t, "p")
		holm, bh := Holm(p), BenjaminiHochberg(p)
		for i := range p {
			require.GreaterOrEqual(t, bh[i], p[i]-1e-12)
			require.GreaterOrEqual(t, holm[i], bh[i]-1e-12)
			require.LessOrEqual(t, holm[i], 1.0)
			for j := range p {
				if p[i] < p[j] {
					require.LessOrEqual(t, holm[i], holm[j])
					require.LessOrEqual(t, bh[i], bh[j])
				}
			}
		}
	})
}
