package event

import (
	"strings"
	"unicode/utf8"
)

// The placeholders that Template puts in the place of what varies.
const (
	holeNumber = "<num>"
	holeID     = "<id>"
	holeString = "<str>"
	holeEmail  = "<email>"
	holeQuery  = "<query>"
)

// Fingerprint groups error messages: two that differ in ids, numbers, quoted
// values and the like have the same. It is the 64-bit FNV-1a hash of the message's
// Template, stable across releases because it is stored. The fingerprint of no
// message is 0.
func Fingerprint(message string) uint64 {
	if message == "" {
		return 0
	}
	const (
		offset = 14695981039346656037
		prime  = 1099511628211
	)
	var buf [512]byte
	h := uint64(offset)
	for _, c := range appendTemplate(buf[:0], message) {
		h = (h ^ uint64(c)) * prime
	}
	return h
}

// Template returns the message with what varies between occurrences replaced:
//
//   - quoted values ('…', "…", `…`) by <str>,
//   - numbers, dates, addresses and versions by <num>; a unit stays: 30s is <num>s,
//   - UUIDs, hexadecimal and other mixes of letters and digits by <id>,
//   - e-mail addresses by <email>, the query of a URL by <query>,
//   - a list of the same placeholder by one, white space by one space.
//
// The segments of paths and the parts of names between _ and - are taken one by
// one, so that order_8123 is order_<num>.
func Template(message string) string {
	return string(appendTemplate(make([]byte, 0, len(message)+16), message))
}

func appendTemplate(dst []byte, s string) []byte {
	start := len(dst)
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isSpace(c):
			for i < len(s) && isSpace(s[i]) {
				i++
			}
			if len(dst) > start && i < len(s) {
				dst = append(dst, ' ')
			}
		case c == '"' || c == '`' || (c == '\'' && (i == 0 || !isWord(s[i-1]))):
			if n := quoted(s[i:]); n > 0 {
				dst = appendHole(dst, holeString)
				i += n
			} else {
				dst = append(dst, c)
				i++
			}
		case c == '?' && i > 0 && i+1 < len(s) && isWord(s[i-1]) && isWord(s[i+1]) && inURL(s[:i]):
			dst = append(dst, '?')
			dst = appendHole(dst, holeQuery)
			for i < len(s) && !isSpace(s[i]) && !strings.ContainsRune(`"'<>)]}`, rune(s[i])) {
				i++
			}
		case isWord(c):
			n := wordLen(s[i:])
			dst = appendWord(dst, s[i:i+n])
			i += n
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// quoted returns the length of the quoted value at the front of s, or 0 when
// its quote is never closed. A single quote closes only at a word's end, so
// that an apostrophe inside the value does not.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\n':
			return 0
		case s[i] == '\\':
			i++
		case s[i] == s[0] && (s[0] != '\'' || i+1 == len(s) || !isWord(s[i+1])):
			return i + 1
		}
	}
	return 0
}

// inURL says whether before, up to its last white space, holds a path.
func inURL(before string) bool {
	if i := strings.LastIndexAny(before, " \t\r\n"); i >= 0 {
		before = before[i+1:]
	}
	return strings.ContainsRune(before, '/')
}

// isWord says whether c may be in a word. Bytes of letters beyond ASCII are.
func isWord(c byte) bool {
	return isDigit(c) || isLetter(c) || c == '_' || c >= utf8.RuneSelf
}

// wordLen returns the length of the word at the front of s. Joints are part of
// a word where a word goes on behind them.
func wordLen(s string) int {
	i := 1
	for i < len(s) {
		switch c := s[i]; {
		case isWord(c):
			i++
		case (c == '.' || c == '-' || c == '@' || c == '+') && i+1 < len(s) && isWord(s[i+1]):
			i += 2
		case c == ':' && i+1 < len(s) && isDigit(s[i-1]) && isDigit(s[i+1]):
			i += 2 // a time of day, a port, an offset
		default:
			return i
		}
	}
	return i
}

// appendWord appends a word: whole where it is of a known form, else part by part.
func appendWord(dst []byte, w string) []byte {
	switch {
	case !hasDigit(w):
		if isEmail(w) {
			return appendHole(dst, holeEmail)
		}
		return append(dst, w...)
	case isEmail(w):
		return appendHole(dst, holeEmail)
	case isUUID(w):
		return appendHole(dst, holeID)
	case isNumeric(w):
		return appendHole(dst, holeNumber)
	}
	for len(w) > 0 {
		n := 0
		for n < len(w) && !isJoint(w[n]) {
			n++
		}
		// 3.5s, 10.0.0.1:8080 and 1e-05 are one number.
		if m := numberLen(w); m > n {
			n = m
		}
		if n > 0 {
			dst = appendPart(dst, w[:n])
		}
		if n < len(w) {
			dst = append(dst, w[n])
			n++
		}
		w = w[n:]
	}
	return dst
}

func isJoint(c byte) bool {
	return c == '.' || c == '-' || c == '@' || c == '+' || c == ':' || c == '_'
}

// numberLen returns the length of the decimal number at the front of w with the
// letters of its unit, or 0.
func numberLen(w string) int {
	i := 0
	for i < len(w) && (isDigit(w[i]) || (i > 0 && w[i] == '.' && i+1 < len(w) && isDigit(w[i+1]))) {
		i++
	}
	if i == 0 {
		return 0
	}
	for i < len(w) && isLetter(w[i]) {
		i++
	}
	if i < len(w) && !isJoint(w[i]) {
		return 0
	}
	return i
}

// appendPart appends a part of a word without joints, or a number with its unit.
func appendPart(dst []byte, p string) []byte {
	if !hasDigit(p) {
		return append(dst, p...)
	}
	if isHex(p) {
		return appendHole(dst, holeID)
	}
	head := 0
	for head < len(p) && !isDigit(p[head]) {
		head++
	}
	digits := head
	for digits < len(p) && (isDigit(p[digits]) || p[digits] == '.') {
		digits++
	}
	tail := p[digits:]
	switch {
	case head == 0 && len(tail) <= 3 && !hasDigit(tail): // 30s, 512MiB
		return append(appendHole(dst, holeNumber), tail...)
	case tail == "" && head <= 16: // node12
		return append(append(dst, p[:head]...), holeNumber...)
	case len(p) <= 4 && head > 0 && digits == head+1 && !hasDigit(tail): // k8s, x2go
		return append(dst, p...)
	}
	return appendHole(dst, holeID)
}

// appendHole appends a placeholder, unless it goes on a list of the same one.
func appendHole(dst []byte, hole string) []byte {
	list := dst
	if n := len(list); n > 0 && list[n-1] == ' ' {
		list = list[:n-1]
	}
	if n := len(list); n > len(hole) && list[n-1] == ',' && string(list[n-1-len(hole):n-1]) == hole {
		return list[:n-1]
	}
	return append(dst, hole...)
}

func hasDigit(s string) bool {
	for i := range len(s) {
		if isDigit(s[i]) {
			return true
		}
	}
	return false
}

func isEmail(w string) bool {
	at := strings.IndexByte(w, '@')
	return at > 0 && strings.IndexByte(w[at+1:], '.') > 0
}

func isUUID(w string) bool {
	if len(w) != 36 {
		return false
	}
	for i := range len(w) {
		switch i {
		case 8, 13, 18, 23:
			if w[i] != '-' {
				return false
			}
		default:
			if !isHexDigit(w[i]) {
				return false
			}
		}
	}
	return true
}

// isNumeric says whether w is made of digits, joints and the letters of dates
// and exponents: 1.5e-3, 2024-01-02T03:04:05Z, 10.0.0.1:443.
func isNumeric(w string) bool {
	for i := range len(w) {
		switch c := w[i]; {
		case isDigit(c):
		case c != '_' && isJoint(c) && i > 0:
		case (c == 'T' || c == 'e' || c == 'E') && i > 0 && i+1 < len(w):
		case c == 'Z' && i+1 == len(w) && i > 0:
		default:
			return false
		}
	}
	return isDigit(w[0])
}

// isHex says whether p, which has a digit, is a hexadecimal number: written with
// 0x, or too long to be a word.
func isHex(p string) bool {
	if len(p) > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X') {
		p = p[2:]
	} else if len(p) < 8 || !hasLetter(p) {
		return false
	}
	for i := range len(p) {
		if !isHexDigit(p[i]) {
			return false
		}
	}
	return true
}

func hasLetter(s string) bool {
	for i := range len(s) {
		if isLetter(s[i]) {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

func isHexDigit(c byte) bool { return isDigit(c) || (c|0x20)-'a' < 6 }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
