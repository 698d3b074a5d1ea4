package event

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// The accepted times, [minTime, maxTime), in Unix milliseconds.
const (
	minTime int64 = 0             // 1970-01-01T00:00:00Z
	maxTime int64 = 4102444800000 // 2100-01-01T00:00:00Z
)

func itoa(i int) string { return strconv.Itoa(i) }

// parseTime reads a date and time of RFC 3339 as Unix milliseconds. Digits finer
// than a millisecond are cut off, which moves the time towards the past. A leap
// second is the second after it, as in POSIX.
func parseTime(s string) (int64, bool) {
	const layout = "2006-01-02T15:04:05Z"
	if len(s) < len(layout) || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year, month, day := digits2(s)*100+digits2(s[2:]), digits2(s[5:]), digits2(s[8:])
	hour, minute, second := digits2(s[11:]), digits2(s[14:]), digits2(s[17:])
	if (year | month | day | hour | minute | second) < 0 {
		return 0, false
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	rest := s[19:]
	ms := 0
	if rest[0] == '.' {
		n := 1
		for scale := 100; n < len(rest) && isDigit(rest[n]); n++ {
			ms += int(rest[n]-'0') * scale
			scale /= 10
		}
		if n == 1 {
			return 0, false
		}
		rest = rest[n:]
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return 0, false
	}
	seconds := int64(daysSinceEpoch(year, month, day))*86400 + int64(hour*3600+minute*60+second-offset)
	if second == 60 && seconds%86400 != 0 {
		return 0, false // Leap seconds end a UTC day.
	}
	return seconds*1000 + int64(ms), true
}

// parseOffset reads Z or ±hh:mm as seconds east of UTC.
func parseOffset(s string) (int, bool) {
	if len(s) == 1 && s[0]|0x20 == 'z' {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	hour, minute := digits2(s[1:]), digits2(s[4:])
	if (hour|minute) < 0 || hour > 23 || minute > 59 {
		return 0, false
	}
	offset := hour*3600 + minute*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// digits2 reads two digits, or returns a large negative number.
func digits2(s string) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return math.MinInt32
	}
	return int(a)*10 + int(b)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSinceEpoch counts days from 1970-01-01 in the Gregorian calendar. Years
// begin in March, so that the leap day is the last of its year; four centuries
// (146097 days) are added so that no division sees the year before 0.
func daysSinceEpoch(year, month, day int) int {
	year += 400
	if month < 3 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468 - 146097
}

// parsePlain reads up to 18 digits, nearly every number that is sent.
func parsePlain(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// parseDuration reads a JSON number of milliseconds. A fraction is rounded to
// the nearest, half away from zero. Whole numbers are exact; those written with
// a fraction or an exponent are exact up to 2^53.
func parseDuration(b []byte) (int64, Code) {
	if n, ok := parsePlain(b); ok {
		return n, ""
	}
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		if n < 0 {
			return 0, CodeNegativeLength
		}
		return n, ""
	}
	f, err := strconv.ParseFloat(string(b), 64)
	switch {
	case f < 0:
		return 0, CodeNegativeLength
	case err != nil || f >= 1<<63:
		return 0, CodeOutOfRange
	}
	return int64(math.Round(f)), ""
}

// parseCount reads a whole number from 0 to most, however it is written: 3, 3.0
// and 30e-1 are the same.
func parseCount(b []byte, most int64) (int64, Code) {
	n, ok := parsePlain(b)
	if !ok {
		var code Code
		if n, code = parseWhole(b); code != "" {
			return 0, code
		}
	}
	if n > most {
		return 0, CodeOutOfRange
	}
	return n, ""
}

func parseWhole(b []byte) (int64, Code) {
	d, err := ParseDecimal(b)
	switch {
	case errors.Is(err, ErrDecimalPrecision):
		return 0, CodeNotAnInteger
	case b[0] == '-' && (err != nil || d.Sign() < 0):
		return 0, CodeNegativeNumber
	case err != nil:
		return 0, CodeOutOfRange
	}
	hi, lo := d.magnitude()
	if hi >= pow10[DecimalPlaces] {
		return 0, CodeOutOfRange // The quotient exceeds 64 bits.
	}
	n, rem := bits.Div64(hi, lo, pow10[DecimalPlaces])
	switch {
	case rem != 0:
		return 0, CodeNotAnInteger
	case n > math.MaxInt64:
		return 0, CodeOutOfRange
	}
	return int64(n), ""
}
