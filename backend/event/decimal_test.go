package event

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseDecimal(t *testing.T) {
	nines := strings.Repeat("9", 23) + "." + strings.Repeat("9", 15)
	for _, c := range []struct {
		in, want string
		err      error
	}{
		{in: "0", want: "0"},
		{in: "-0", want: "0"},
		{in: "0E-11", want: "0"},
		{in: "0e99999999999999999999", want: "0"},
		{in: "2.0", want: "2"},
		{in: "2.000000000000000000000000", want: "2"},
		{in: "8.0000E-7", want: "0.0000008"},
		{in: "-0.151", want: "-0.151"},
		{in: "20.52022672899", want: "20.52022672899"},
		{in: "1e-15", want: "0.000000000000001"},
		{in: "10e-16", want: "0.000000000000001"},
		{in: "1e22", want: "10000000000000000000000"},
		{in: "0.00000001e30", want: "10000000000000000000000"},
		{in: "18446744073709551616", want: "18446744073709551616"},
		{in: nines, want: nines},
		{in: "-" + nines, want: "-" + nines},
		{in: "1e23", err: ErrDecimalRange},
		{in: "1e99999999999999999999", err: ErrDecimalRange},
		{in: strings.Repeat("9", 60), err: ErrDecimalRange},
		{in: "1e-16", err: ErrDecimalPrecision},
		{in: "0.1234567890123456", err: ErrDecimalPrecision},
		{in: "1e-99999999999999999999", err: ErrDecimalPrecision},
		{in: "", err: ErrDecimalSyntax},
		{in: "-", err: ErrDecimalSyntax},
		{in: "+1", err: ErrDecimalSyntax},
		{in: ".5", err: ErrDecimalSyntax},
		{in: "5.", err: ErrDecimalSyntax},
		{in: "007", err: ErrDecimalSyntax},
		{in: "1e", err: ErrDecimalSyntax},
		{in: "1e+", err: ErrDecimalSyntax},
		{in: "1,5", err: ErrDecimalSyntax},
		{in: "0x10", err: ErrDecimalSyntax},
		{in: "NaN", err: ErrDecimalSyntax},
		{in: " 1", err: ErrDecimalSyntax},
	} {
		d, err := ParseDecimal([]byte(c.in))
		if c.err != nil {
			require.ErrorIs(t, err, c.err, c.in)
			continue
		}
		require.NoError(t, err, c.in)
		require.Equal(t, c.want, d.String(), c.in)
	}
}

func TestDecimalBounds(t *testing.T) {
	bound := strings.Repeat("9", 23) + "." + strings.Repeat("9", 15)
	require.Equal(t, bound, MaxDecimal.String())
	require.Equal(t, "-"+bound, MinDecimal.String())
	require.Equal(t, MaxDecimal, MaxDecimal.Add(Decimal{Lo: 1}))
	require.Equal(t, MaxDecimal, MaxDecimal.Add(MaxDecimal))
	require.Equal(t, MinDecimal, MinDecimal.Add(MinDecimal))
	require.Equal(t, MinDecimal, MinDecimal.Sub(Decimal{Lo: 1}))
	require.True(t, MaxDecimal.Sub(MaxDecimal).IsZero())
}

func drawDecimal(t *rapid.T, name string) Decimal {
	digits := rapid.StringMatching(`-?(0|[1-9][0-9]{0,21})(\.[0-9]{1,15})?`).Draw(t, name)
	d, err := ParseDecimal([]byte(digits))
	require.NoError(t, err)
	return d
}

func bigOf(d Decimal) *big.Int {
	v := new(big.Int).Lsh(big.NewInt(d.Hi), 64)
	return v.Add(v, new(big.Int).SetUint64(d.Lo))
}

// The arithmetic is math/big's.
func TestDecimalArithmetic(t *testing.T) {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(DecimalPlaces), nil)
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawDecimal(t, "a"), drawDecimal(t, "b")
		x, y := bigOf(a), bigOf(b)
		require.Zero(t, new(big.Int).Add(x, y).Cmp(bigOf(a.Add(b))))
		require.Zero(t, new(big.Int).Sub(x, y).Cmp(bigOf(a.Sub(b))))
		require.Equal(t, x.Cmp(y), a.Cmp(b))
		require.Equal(t, x.Sign(), a.Sign())
		want, _ := new(big.Rat).SetFrac(x, unit).Float64()
		require.Equal(t, math.Float64bits(want), math.Float64bits(a.Float64()), a.String())

		again, err := ParseDecimal([]byte(a.String()))
		require.NoError(t, err)
		require.Equal(t, a, again)

		text, err := json.Marshal(a)
		require.NoError(t, err)
		require.Equal(t, strconv.Quote(a.String()), string(text))
		var back Decimal
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, a, back)
	})
}

// ParseDecimal accepts what math/big reads, where the grammar is JSON's, and means
// the same number by it.
func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0E-11", "8.0000E-7", "-1.5", "1e22", "123456789012345678901234567890"} {
		f.Add([]byte(s))
	}
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(DecimalPlaces), nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := ParseDecimal(in)
		if err != nil {
			require.Equal(t, Decimal{}, d)
			return
		}
		require.True(t, json.Valid(in), "%q", in)
		if i := strings.IndexAny(string(in), "eE"); i >= 0 && len(in)-i > 5 {
			return // math/big would take the exponent at its word.
		}
		want, ok := new(big.Rat).SetString(string(in))
		require.True(t, ok, "%q", in)
		require.Zero(t, want.Mul(want, unit).Cmp(new(big.Rat).SetInt(bigOf(d))), "%q", in)
	})
}
