package otlp

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// The fields of AnyValue, ArrayValue and KeyValueList, as tags.
const (
	anyString = 1<<3 | length
	anyBool   = 2<<3 | varint
	anyInt    = 3<<3 | varint
	anyDouble = 4<<3 | fixed64
	anyArray  = 5<<3 | length
	anyList   = 6<<3 | length
	anyBytes  = 7<<3 | length

	listValues = 1<<3 | length
)

// pick returns the field of an AnyValue that is set, one with the tag 0 if none is.
// Of several, which nobody should write, the last counts.
func pick(value []byte) (field wire) {
	w := wire{b: value}
	for w.next() {
		switch w.tag {
		case anyString, anyBool, anyInt, anyDouble, anyArray, anyList, anyBytes:
			field = w
		}
	}
	return field
}

// text returns an AnyValue as a text: arrays and lists are JSON, bytes base64.
func text(value []byte, arena *mapping.Arena) string {
	field := pick(value)
	if field.tag == anyString {
		return mapping.View(field.data)
	}
	var buf [64]byte
	switch b := buf[:0]; field.tag {
	case anyBool:
		if field.bits != 0 {
			return "true"
		}
		return "false"
	case anyInt:
		return arena.Keep(strconv.AppendInt(b, int64(field.bits), 10))
	case anyDouble:
		return arena.Keep(appendDouble(b, math.Float64frombits(field.bits)))
	case anyBytes:
		if len(field.data) <= event.MaxNameBytes {
			return arena.Keep(base64.StdEncoding.AppendEncode(b, field.data))
		}
	case anyArray, anyList:
		return nested(value, arena)
	}
	return ""
}

// nested returns an array or list as JSON.
func nested(value []byte, arena *mapping.Arena) string {
	w := writer{limit: event.MaxMetadataBytes}
	if w.value(value, 0); w.over {
		return ""
	}
	return arena.Keep(w.b)
}

// appendDouble writes a number that may become an amount, so without an exponent and
// to at most 15 places.
func appendDouble(dst []byte, f float64) []byte {
	if math.Abs(f) >= 1e23 || math.IsNaN(f) {
		return strconv.AppendFloat(dst, f, 'g', -1, 64)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for i := from; i < len(dst); i++ {
		if dst[i] == '.' && len(dst)-i-1 > 15 {
			return strconv.AppendFloat(dst[:from], f, 'f', 15, 64)
		}
	}
	return dst
}
