package simulate

import "strconv"

// Events are written straight into JSON. Every text in them is ours and needs no
// escaping.

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, x uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[x>>shift&15])
	}
	return dst
}

// clock writes times. Most share their day with the one before.
type clock struct {
	day  int64
	text [11]byte // 2026-01-02T
}

func (c *clock) append(dst []byte, ms int64) []byte {
	day := ms / dayMS
	if day != c.day || c.text[10] == 0 {
		c.setDay(day)
	}
	dst = append(dst, c.text[:]...)
	ms -= day * dayMS
	s := ms / 1000
	ms -= s * 1000
	h, m := s/3600, s/60%60
	s %= 60
	return append(dst,
		'0'+byte(h/10), '0'+byte(h%10), ':', '0'+byte(m/10), '0'+byte(m%10), ':', '0'+byte(s/10), '0'+byte(s%10),
		'.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10), 'Z')
}

// setDay finds the date of a day since 1970 (Hinnant's days_to_civil).
func (c *clock) setDay(day int64) {
	c.day = day
	z := day + 719468
	era := z / 146097
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d := doy - (153*mp+2)/5 + 1
	m, y := mp+3, yoe+era*400
	if m > 12 {
		m, y = m-12, y+1
	}
	copy(c.text[:], []byte{
		'0' + byte(y/1000), '0' + byte(y/100%10), '0' + byte(y/10%10), '0' + byte(y%10), '-',
		'0' + byte(m/10), '0' + byte(m%10), '-', '0' + byte(d/10), '0' + byte(d%10), 'T',
	})
}

// appendDecimal writes x units of 10^-places without trailing zeros.
func appendDecimal(dst []byte, x int64, places int) []byte {
	if x < 0 {
		dst = append(dst, '-')
		x = -x
	}
	unit := int64(1)
	for range places {
		unit *= 10
	}
	dst = strconv.AppendInt(dst, x/unit, 10)
	x %= unit
	if x == 0 {
		return dst
	}
	dst = append(dst, '.')
	for x > 0 {
		unit /= 10
		dst = append(dst, '0'+byte(x/unit))
		x %= unit
	}
	return dst
}
