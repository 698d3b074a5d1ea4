// Package walk goes through JSON text that is known to be JSON: json.Valid has said
// so. That leaves nothing to go wrong but the type of a value, and lets what is not
// of interest be passed over without being looked at.
//
//	r := walk.New(text)
//	for r.Enter(); r.More(); {
//		switch string(r.Name()) {
//		case "id":
//			id := walk.Text(nil, r.Value())
//		default:
//			r.Value()
//		}
//	}
package walk

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Reader stands before a value, or before a member of an object.
type Reader struct {
	b []byte
	i int
}

// New returns a Reader of JSON text.
func New(valid []byte) *Reader { return &Reader{b: valid} }

func (r *Reader) space() byte {
	for r.i < len(r.b) {
		switch c := r.b[r.i]; c {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return c
		}
	}
	return 0
}

// Kind returns the first byte of the value ahead: { [ " t f n - or a digit.
func (r *Reader) Kind() byte { return r.space() }

// Enter goes into the object or array ahead.
func (r *Reader) Enter() {
	r.space()
	r.i++
}

// More says whether another member or element is ahead. If not, it leaves the
// object or array.
func (r *Reader) More() bool {
	c := r.space()
	if c == ',' {
		r.i++
		c = r.space()
	}
	if c == ']' || c == '}' || c == 0 {
		r.i++
		return false
	}
	return true
}

// Name returns the name of the member ahead, and goes to its value.
func (r *Reader) Name() []byte {
	raw := r.Value()
	r.space()
	r.i++ // the colon
	if bytes.IndexByte(raw, '\\') >= 0 {
		return Text(nil, raw)
	}
	return raw[1 : len(raw)-1]
}

// Member returns the name and the value of the member ahead, and the text of both.
func (r *Reader) Member() (name, value, text []byte) {
	r.space()
	from := r.i
	name = r.Name()
	value = r.Value()
	return name, value, r.b[from:r.i:r.i]
}

// Value returns the text of the value ahead, and goes behind it.
func (r *Reader) Value() []byte {
	c := r.space()
	from := r.i
	switch c {
	case '"':
		r.skipString()
	case '{', '[':
		for depth := 0; r.i < len(r.b); {
			switch r.b[r.i] {
			case '"':
				r.skipString()
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			r.i++
			if depth == 0 {
				break
			}
		}
	default:
		for r.i < len(r.b) && !ends(r.b[r.i]) {
			r.i++
		}
	}
	return r.b[from:r.i:r.i]
}

// ends says whether a number, true, false or null ends before c.
func ends(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

func (r *Reader) skipString() {
	for r.i++; r.i < len(r.b); r.i++ {
		switch r.b[r.i] {
		case '"':
			r.i++
			return
		case '\\':
			r.i++
		}
	}
}

// String returns what a string says. Without escapes it shares the bytes of raw.
func String(raw []byte) string {
	if bytes.IndexByte(raw, '\\') >= 0 {
		return string(Text(nil, raw))
	}
	raw = raw[1 : len(raw)-1]
	return unsafe.String(unsafe.SliceData(raw), len(raw)) //nolint:gosec // as documented
}

// Text appends what a string says to dst. Half of a surrogate pair becomes U+FFFD, as
// encoding/json has it.
func Text(dst, raw []byte) []byte {
	raw = raw[1 : len(raw)-1]
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		c = raw[i+1]
		i += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			u := hex4(raw[i:])
			i += 4
			if utf16.IsSurrogate(u) && i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				if pair := utf16.DecodeRune(u, hex4(raw[i+2:])); pair != utf8.RuneError {
					u = pair
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, u) // U+FFFD for a surrogate
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func hex4(b []byte) rune {
	var u rune
	for _, c := range b[:4] {
		switch {
		case c <= '9':
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		u = u<<4 | rune(c)
	}
	return u
}
