package event

import "math/bits"

// Mul returns d times o, rounded to the nearest 1e-15, halves away from zero, as
// invoices do. ok is false when the product is outside the range.
func (d Decimal) Mul(o Decimal) (product Decimal, ok bool) {
	aHi, aLo := d.magnitude()
	bHi, bLo := o.magnitude()
	// The product of the magnitudes has 30 places, in four words, highest first.
	w := multiply128(aHi, aLo, bHi, bLo)
	const half, unit = 5e14, 1e15
	var carry uint64
	w[3], carry = bits.Add64(w[3], half, 0)
	for i := 2; i >= 0 && carry != 0; i-- {
		w[i], carry = bits.Add64(w[i], 0, carry)
	}
	var rem uint64
	for i := range w {
		w[i], rem = bits.Div64(rem, w[i], unit)
	}
	p := Decimal{Lo: w[3], Hi: int64(w[2])}
	if w[0] != 0 || w[1] != 0 || p.Hi < 0 || p.Cmp(MaxDecimal) > 0 {
		return Decimal{}, false
	}
	if (d.Hi < 0) != (o.Hi < 0) {
		p = p.Neg()
	}
	return p, true
}

// multiply128 returns the product of two 128-bit numbers as four words, highest
// first.
func multiply128(aHi, aLo, bHi, bLo uint64) [4]uint64 {
	h0, l0 := bits.Mul64(aLo, bLo)
	h1, l1 := bits.Mul64(aHi, bLo)
	h2, l2 := bits.Mul64(aLo, bHi)
	h3, l3 := bits.Mul64(aHi, bHi)
	var c1, c2, c3, c4 uint64
	m1, c1 := bits.Add64(h0, l1, 0)
	m1, c2 = bits.Add64(m1, l2, 0)
	m2, c3 := bits.Add64(h1, h2, c1)
	m2, c4 = bits.Add64(m2, l3, c2)
	return [4]uint64{h3 + c3 + c4, m2, m1, l0}
}
