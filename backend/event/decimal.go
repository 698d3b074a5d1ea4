package event

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// DecimalPlaces is the number of decimal places that an amount keeps.
const DecimalPlaces = 15

// maxDecimalDigits is the number of digits before the point.
const maxDecimalDigits = 23

// What ParseDecimal finds wrong.
var (
	ErrDecimalSyntax    = errors.New("not a decimal number")
	ErrDecimalPrecision = errors.New("more than 15 decimal places")
	ErrDecimalRange     = errors.New("more than 23 digits before the decimal point")
)

// Decimal is an exact amount with 15 decimal places, a 128-bit two's complement
// integer of 1e-15 units: ClickHouse's Decimal(38,15), its range ±(10^23 - 1e-15).
// The zero value is 0.
type Decimal struct {
	Lo uint64
	Hi int64
}

// MaxDecimal and MinDecimal bound the range, ±(10^38 - 1) units.
var (
	MaxDecimal = Decimal{Hi: 0x4b3b4ca85a86c47a, Lo: 0x098a223fffffffff}
	MinDecimal = MaxDecimal.Neg()
)

// pow10 holds the powers of ten that fit 64 bits.
var pow10 = [20]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// ParseDecimal reads a number in JSON's grammar, exponent included. It never
// rounds: a digit other than zero beyond the 15th place is ErrDecimalPrecision,
// a number that does not fit is ErrDecimalRange.
func ParseDecimal(b []byte) (Decimal, error) {
	i, neg := 0, false
	if i < len(b) && b[i] == '-' {
		neg = true
		i++
	}
	var (
		m        mantissa
		start    = i
		fraction int
	)
	for ; i < len(b) && isDigit(b[i]); i++ {
		m.push(b[i] - '0')
	}
	if i == start || (b[start] == '0' && i-start > 1) {
		return Decimal{}, ErrDecimalSyntax
	}
	if i < len(b) && b[i] == '.' {
		i++
		point := i
		for ; i < len(b) && isDigit(b[i]); i++ {
			m.push(b[i] - '0')
		}
		if fraction = i - point; fraction == 0 {
			return Decimal{}, ErrDecimalSyntax
		}
	}
	exponent := 0
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		var ok bool
		if exponent, ok = parseExponent(b[i+1:]); !ok {
			return Decimal{}, ErrDecimalSyntax
		}
		i = len(b)
	}
	if i != len(b) {
		return Decimal{}, ErrDecimalSyntax
	}
	return m.decimal(neg, exponent-fraction)
}

// parseExponent reads a signed integer that fills b. Its size is capped, far
// above what can matter, so that it cannot overflow.
func parseExponent(b []byte) (int, bool) {
	neg := false
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		neg = b[0] == '-'
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		if n < 1<<40 {
			n = n*10 + int(c-'0')
		}
	}
	if neg {
		n = -n
	}
	return n, true
}

// mantissa gathers digits. Leading zeros are dropped; trailing zeros are held
// back until a digit follows, so that they never cost range or precision.
type mantissa struct {
	hi, lo uint64
	digits int // without leading and held zeros
	zeros  int // held back
}

func (m *mantissa) push(d byte) {
	if d == 0 {
		if m.digits > 0 {
			m.zeros++
		}
		return
	}
	m.digits += m.zeros + 1
	if m.digits <= maxDecimalDigits+DecimalPlaces {
		m.scale(m.zeros + 1)
		var carry uint64
		m.lo, carry = bits.Add64(m.lo, uint64(d), 0)
		m.hi += carry
	}
	m.zeros = 0
}

// scale multiplies by 10^n. The product must fit.
func (m *mantissa) scale(n int) {
	for n > 0 {
		step := min(n, len(pow10)-1)
		carry, lo := bits.Mul64(m.lo, pow10[step])
		m.hi, m.lo = m.hi*pow10[step]+carry, lo
		n -= step
	}
}

func (m *mantissa) decimal(neg bool, exponent int) (Decimal, error) {
	if m.digits == 0 {
		return Decimal{}, nil
	}
	exponent += m.zeros
	switch {
	case m.digits+exponent > maxDecimalDigits:
		return Decimal{}, ErrDecimalRange
	case exponent < -DecimalPlaces:
		return Decimal{}, ErrDecimalPrecision
	}
	m.scale(exponent + DecimalPlaces)
	d := Decimal{Lo: m.lo, Hi: int64(m.hi)}
	if neg {
		d = d.Neg()
	}
	return d, nil
}

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	lo, borrow := bits.Sub64(0, d.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(d.Hi), borrow)
	return Decimal{Lo: lo, Hi: int64(hi)}
}

// Add returns d+o. A sum outside the range stops at its bound: an amount of 10^23
// is an error of the sender's, and a total that wraps to the other sign would
// hide it.
func (d Decimal) Add(o Decimal) Decimal {
	lo, carry := bits.Add64(d.Lo, o.Lo, 0)
	hi, _ := bits.Add64(uint64(d.Hi), uint64(o.Hi), carry)
	s := Decimal{Lo: lo, Hi: int64(hi)}
	sameSign := (d.Hi < 0) == (o.Hi < 0)
	switch {
	case sameSign && d.Hi < 0 && (s.Hi >= 0 || s.Cmp(MinDecimal) < 0):
		return MinDecimal
	case sameSign && d.Hi >= 0 && (s.Hi < 0 || s.Cmp(MaxDecimal) > 0):
		return MaxDecimal
	}
	return s
}

// Sub returns d-o, within the range as Add does.
func (d Decimal) Sub(o Decimal) Decimal { return d.Add(o.Neg()) }

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case d.Hi < 0:
		return -1
	case d.Hi == 0 && d.Lo == 0:
		return 0
	}
	return 1
}

// IsZero says whether d is 0.
func (d Decimal) IsZero() bool { return d.Hi == 0 && d.Lo == 0 }

// Cmp returns -1, 0 or 1 as d is less than, equal to or more than o.
func (d Decimal) Cmp(o Decimal) int {
	switch {
	case d == o:
		return 0
	case d.Hi < o.Hi || (d.Hi == o.Hi && d.Lo < o.Lo):
		return -1
	}
	return 1
}

// magnitude returns |d|. It is right for every bit pattern, the least included.
func (d Decimal) magnitude() (hi, lo uint64) {
	if d.Hi < 0 {
		d = d.Neg()
	}
	return uint64(d.Hi), d.Lo
}

// Append writes d to dst in String's notation.
func (d Decimal) Append(dst []byte) []byte {
	hi, lo := d.magnitude()
	if d.Hi < 0 {
		dst = append(dst, '-')
	}
	// A bit pattern outside the range still has a quotient below 2^128/10^19.
	var buf [40]byte
	at := len(buf)
	for hi != 0 || lo != 0 || at > len(buf)-DecimalPlaces-1 {
		var rem uint64
		qhi := hi / 10
		lo, rem = bits.Div64(hi%10, lo, 10)
		hi = qhi
		at--
		buf[at] = byte('0' + rem)
	}
	point := len(buf) - DecimalPlaces
	dst = append(dst, buf[at:point]...)
	end := len(buf)
	for end > point && buf[end-1] == '0' {
		end--
	}
	if end > point {
		dst = append(dst, '.')
		dst = append(dst, buf[point:end]...)
	}
	return dst
}

// String writes d plainly, without exponent and trailing zeros: "0", "-0.151".
func (d Decimal) String() string {
	var buf [48]byte
	return string(d.Append(buf[:0]))
}

// Float64 returns the float64 nearest to d, ties to even.
func (d Decimal) Float64() float64 {
	hi, lo := d.magnitude()
	if hi == 0 && lo <= 1<<53 {
		// Both operands are exact, so the division rounds once.
		f := float64(lo) / 1e15
		if d.Hi < 0 {
			return -f
		}
		return f
	}
	var buf [48]byte
	f, err := strconv.ParseFloat(string(d.Append(buf[:0])), 64)
	if err != nil {
		return math.NaN() // Unreachable: Append writes a number far below 1e308.
	}
	return f
}

// MarshalJSON writes d as a string, since a JSON number is read as a float64
// by most clients and loses digits.
func (d Decimal) MarshalJSON() ([]byte, error) {
	dst := make([]byte, 0, 24)
	dst = append(dst, '"')
	dst = d.Append(dst)
	return append(dst, '"'), nil
}

// UnmarshalJSON reads a JSON number or a string of one.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	v, err := ParseDecimal(b)
	if err != nil {
		return err
	}
	*d = v
	return nil
}

func isDigit(c byte) bool { return c-'0' <= 9 }
