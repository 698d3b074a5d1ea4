package event

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of any value, and so the scanner's stack.
const maxDepth = 512

// scanner walks JSON text (RFC 8259). Its methods return false once the text
// is not JSON; bad then says where and what was expected.
type scanner struct {
	b     []byte
	i     int
	base  int // offset of b in the request, for messages
	bad   *Error
	arena []byte // unescaped strings; full parts are left to the events that use them
}

// span is a string between its quotes.
type span struct {
	start, end int
	escaped    bool
	ascii      bool
}

// peek returns the byte at the front, 0 at the end (which is no JSON either).
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// space skips white space and returns the byte behind it.
func (s *scanner) space() byte {
	for s.i < len(s.b) {
		c := s.b[s.i]
		if c > ' ' || !isSpace(c) {
			return c
		}
		s.i++
	}
	return 0
}

// broken notes that the text is not JSON here.
func (s *scanner) broken(expected string) bool {
	if s.bad == nil {
		at := "the end"
		if s.i < len(s.b) {
			at = quote(s.b[s.i:min(len(s.b), s.i+16)])
		}
		s.bad = &Error{
			Code:    CodeMalformedJSON,
			Message: "not JSON at byte " + itoa(s.base+s.i) + ": expected " + expected + ", found " + at,
		}
	}
	return false
}

// text reads the string whose opening quote is at the front.
func (s *scanner) text() (span, bool) {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	sp := span{start: s.i + 1, ascii: true}
	b, i := s.b, s.i+1
	for {
		// Eight bytes at a time, up to the first that is a quote, a backslash, a
		// control character or beyond ASCII. A borrow makes only bytes above the
		// first true one look true.
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			q := w ^ ones*'"'
			e := w ^ ones*'\\'
			m := ((q-ones)&^q | (e-ones)&^e | (w-ones*' ')&^w | w) & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			s.i = i
			return sp, s.broken("the end of a string")
		}
		switch c := b[i]; {
		case c == '"':
			sp.end = i
			s.i = i + 1
			return sp, true
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				s.i = i
				return sp, s.broken("an escape sequence")
			}
			sp.escaped = true
			i += n
		case c < ' ':
			s.i = i
			return sp, s.broken("no control character inside a string")
		case c >= utf8.RuneSelf:
			sp.ascii = false
			for i++; i < len(b) && b[i] >= utf8.RuneSelf; i++ {
			}
		default:
			i++
		}
	}
}

// escapeLen returns the length of the escape sequence at the front of b, or 0.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && isHexDigit(b[2]) && isHexDigit(b[3]) && isHexDigit(b[4]) && isHexDigit(b[5]) {
			return 6
		}
	}
	return 0
}

// value returns what a string says, and whether it is valid Unicode. Without
// escapes it shares the bytes of the text.
func (s *scanner) value(sp span) (string, bool) {
	raw := s.b[sp.start:sp.end]
	if !sp.ascii && !utf8.Valid(raw) {
		return "", false
	}
	if !sp.escaped {
		return viewString(raw), true
	}
	// Unescaping never lengthens. What the arena holds already is in use, so a
	// full one is replaced, not grown.
	if cap(s.arena)-len(s.arena) < len(raw) {
		s.arena = make([]byte, 0, max(4096, len(raw)))
	}
	from := len(s.arena)
	arena, ok := unescape(s.arena, raw)
	if !ok {
		return "", false
	}
	s.arena = arena
	return viewString(arena[from:]), true
}

// unescape appends what raw, whose escapes are well-formed, says. It returns
// false for half of a surrogate pair.
func unescape(dst, raw []byte) ([]byte, bool) {
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...), true
		}
		dst = append(dst, raw[:i]...)
		c := raw[i+1]
		if c != 'u' {
			dst = append(dst, escaped(c))
			raw = raw[i+2:]
			continue
		}
		r, n := escapedRune(raw[i:])
		if n == 0 {
			return dst, false
		}
		dst = utf8.AppendRune(dst, r)
		raw = raw[i+n:]
	}
	return dst, true
}

func escaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// escapedRune reads \uXXXX, or two of them that are a pair, and returns the
// length, 0 for half of a pair.
func escapedRune(b []byte) (rune, int) {
	r := hex4(b[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, hex4(b[8:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		d := rune(c - '0')
		if !isDigit(c) {
			d = rune(c|0x20) - 'a' + 10
		}
		r = r<<4 | d
	}
	return r
}

// validUnicode says whether the strings of a JSON value are valid Unicode.
func validUnicode(raw []byte) bool {
	if !utf8.Valid(raw) {
		return false
	}
	for {
		// In JSON a backslash is always inside a string.
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return true
		}
		n := 2
		if raw[i+1] == 'u' {
			if _, n = escapedRune(raw[i:]); n == 0 {
				return false
			}
		}
		raw = raw[i+n:]
	}
}

// number reads a number.
func (s *scanner) number() ([]byte, bool) {
	b, i := s.b, s.i
	start := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == first || (b[first] == '0' && i-first > 1) {
		s.i = first
		return nil, s.broken("a value")
	}
	if i < len(b) && b[i] == '.' {
		i++
		point := i
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		if i == point {
			s.i = i
			return nil, s.broken("a digit")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exponent := i
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		if i == exponent {
			s.i = i
			return nil, s.broken("a digit")
		}
	}
	s.i = i
	return b[start:i], true
}

// literal reads null, true or false.
func (s *scanner) literal(word string) bool {
	if s.i+len(word) > len(s.b) || string(s.b[s.i:s.i+len(word)]) != word {
		return s.broken("a value")
	}
	s.i += len(word)
	return true
}

// skip reads any value, inside depth others, and returns how many levels of
// objects and arrays it has.
func (s *scanner) skip(depth int) (levels int, ok bool) {
	switch c := s.peek(); c {
	case '"':
		_, ok = s.text()
		return 0, ok
	case '{', '[':
		if depth >= maxDepth {
			return 0, s.broken("no more than " + itoa(maxDepth) + " levels of nesting")
		}
		return s.skipInside(depth, c)
	case 'n':
		return 0, s.literal("null")
	case 't':
		return 0, s.literal("true")
	case 'f':
		return 0, s.literal("false")
	default:
		_, ok = s.number()
		return 0, ok
	}
}

func (s *scanner) skipInside(depth int, open byte) (levels int, ok bool) {
	end := open + 2 // '{' and '}', '[' and ']' are two apart
	s.i++
	if s.space() == end {
		s.i++
		return 1, true
	}
	for {
		if open == '{' && !s.name() {
			return 0, false
		}
		inner, ok := s.skip(depth + 1)
		if !ok {
			return 0, false
		}
		levels = max(levels, inner)
		switch s.space() {
		case ',':
			s.i++
			s.space()
		case end:
			s.i++
			return levels + 1, true
		default:
			return 0, s.broken(`"," or ` + quote([]byte{end}))
		}
	}
}

// name skips a member's name and its colon.
func (s *scanner) name() bool {
	if s.peek() != '"' {
		return s.broken("a field's name in quotes")
	}
	if _, ok := s.text(); !ok {
		return false
	}
	return s.colon()
}

func (s *scanner) colon() bool {
	if s.space() != ':' {
		return s.broken(`":"`)
	}
	s.i++
	s.space()
	return true
}
