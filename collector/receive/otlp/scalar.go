package otlp

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// scalar writes a value that is no message. It returns what the value must be, "" if
// it is.
func (t *transcoder) scalar(raw []byte, m member) (want string) {
	ok := true
	switch m.form {
	case asText, asHex, asBase64:
		if raw[0] != '"' {
			return "a string"
		}
		from := t.open(m.field)
		t.b = walk.Text(t.b, raw)
		switch m.form {
		case asHex:
			t.b, ok = decodeHex(t.b, from)
			want = "hexadecimal digits"
		case asBase64:
			t.b, ok = decodeBase64(t.b, from)
			want = "base64"
		}
		t.shut(from)
	case asInteger:
		var n uint64
		n, ok = integer(unquoted(raw))
		want = "a whole number"
		t.b = protowire.AppendTag(t.b, m.field, protowire.VarintType)
		t.b = protowire.AppendVarint(t.b, n)
	case asFixed64:
		number := unquoted(raw)
		var n uint64
		n, ok = integer(number)
		ok = ok && !strings.HasPrefix(number, "-")
		want = "a whole number that is not negative"
		t.b = protowire.AppendTag(t.b, m.field, protowire.Fixed64Type)
		t.b = protowire.AppendFixed64(t.b, n)
	case asDouble:
		f, err := strconv.ParseFloat(strings.Replace(unquoted(raw), "Infinity", "Inf", 1), 64)
		ok, want = err == nil, "a number"
		t.b = protowire.AppendTag(t.b, m.field, protowire.Fixed64Type)
		t.b = protowire.AppendFixed64(t.b, math.Float64bits(f))
	case asBool:
		ok, want = raw[0] == 't' || raw[0] == 'f', "true or false"
		t.b = protowire.AppendTag(t.b, m.field, protowire.VarintType)
		t.b = protowire.AppendVarint(t.b, protowire.EncodeBool(raw[0] == 't'))
	}
	if ok {
		return ""
	}
	return want
}

// lengthBytes is what is left for the length of a field, until it is known. It may be
// written with more bytes than it needs.
const lengthBytes = 5

// open begins a field of bytes, or a message, and returns where it begins.
func (t *transcoder) open(field protowire.Number) int {
	t.b = protowire.AppendTag(t.b, field, protowire.BytesType)
	t.b = append(t.b, 0x80, 0x80, 0x80, 0x80, 0)
	return len(t.b)
}

// shut ends what open began.
func (t *transcoder) shut(from int) {
	n := uint64(len(t.b) - from)
	for i := range lengthBytes {
		t.b[from-lengthBytes+i] |= byte(n>>(7*i)) & 0x7f
	}
}

// unquoted returns a number without the quotes that it may have. It shares the bytes
// of raw: digits have no escapes, and with others it is no number.
func unquoted(raw []byte) string {
	if raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	return mapping.View(raw)
}

// integer reads a whole number of 64 bits, signed or not, however it is written.
func integer(s string) (uint64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return uint64(n), true
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, true
	}
	if !strings.ContainsAny(s, "eE") { // 3.0 is whole; a float would round 3.5e18 + 0.5 to a whole number
		whole, fraction, _ := strings.Cut(s, ".")
		if strings.Trim(fraction, "0") != "" {
			return 0, false
		}
		s = whole
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || f < -1<<63 || f >= 1<<64 {
		return 0, false
	}
	if f < 0 {
		return uint64(int64(f)), true
	}
	return uint64(f), true
}

// decodeHex decodes b from an index on, in place.
func decodeHex(b []byte, from int) ([]byte, bool) {
	n, err := hex.Decode(b[from:], b[from:])
	return b[:from+n], err == nil
}

// decodeBase64 decodes b from an index on, in place: the standard or the URL alphabet,
// padded or not.
func decodeBase64(b []byte, from int) ([]byte, bool) {
	for i := from; i < len(b); i++ {
		switch b[i] {
		case '-':
			b[i] = '+'
		case '_':
			b[i] = '/'
		}
	}
	n, err := base64.RawStdEncoding.Decode(b[from:], bytes.TrimRight(b[from:], "="))
	return b[:from+n], err == nil
}
