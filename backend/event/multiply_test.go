package event

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// units returns d in units of 1e-15.
func units(d Decimal) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(d.Hi), 64)
	return n.Add(n, new(big.Int).SetUint64(d.Lo))
}

func TestMul(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"0", "5", "0"},
		{"1000", "0.0000025", "0.0025"},
		{"-3", "0.1", "-0.3"},
		{"-3", "-0.1", "0.3"},
		{"0.000000000000001", "0.5", "0.000000000000001"},
		{"0.000000000000001", "-0.5", "-0.000000000000001"},
		{"0.000000000000001", "0.499999999999999", "0"},
		{"99999999999999999999999", "1", "99999999999999999999999"},
	} {
		a, err := ParseDecimal([]byte(c.a))
		require.NoError(t, err)
		b, err := ParseDecimal([]byte(c.b))
		require.NoError(t, err)
		got, ok := a.Mul(b)
		require.True(t, ok, c)
		require.Equal(t, c.want, got.String(), c)
	}
	_, ok := MaxDecimal.Mul(Decimal{Lo: 1_000_000_000_000_001})
	require.False(t, ok, "beyond the range")
}

// The reference is math/big: round half away from zero.
func TestMulEqualsBig(t *testing.T) {
	decimal := rapid.Custom(func(t *rapid.T) Decimal {
		d := Decimal{Lo: rapid.Uint64().Draw(t, "lo"), Hi: rapid.Int64Range(MinDecimal.Hi+1, MaxDecimal.Hi-1).Draw(t, "hi")}
		for range rapid.IntRange(0, 2).Draw(t, "shrink") { // products within the range too
			d = Decimal{Lo: d.Lo >> 32, Hi: d.Hi >> 63}
		}
		return d
	})
	one := big.NewInt(1e15)
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimal.Draw(t, "a"), decimal.Draw(t, "b")
		p := new(big.Int).Mul(units(a), units(b))
		sign := p.Sign()
		p.Abs(p).Add(p, big.NewInt(5e14)).Div(p, one)
		if sign < 0 {
			p.Neg(p)
		}
		got, ok := a.Mul(b)
		if fits := p.CmpAbs(units(MaxDecimal)) <= 0; ok != fits {
			t.Fatalf("%s × %s: ok is %v", a, b, ok)
		}
		if ok && units(got).Cmp(p) != 0 {
			t.Fatalf("%s × %s = %s, want %s units", a, b, got, p)
		}
	})
}
