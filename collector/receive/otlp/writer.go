package otlp

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// writer writes values as JSON, up to a limit.
type writer struct {
	b     []byte
	limit int
	over  bool // the limit was reached: what is written is cut off
}

// room says whether n more bytes are below the limit.
func (w *writer) room(n int) bool {
	w.over = w.over || len(w.b)+n > w.limit
	return !w.over
}

func (w *writer) string(s string) {
	if w.room(len(s) + 2) {
		w.b = walk.Quote(w.b, s)
		w.room(0)
	}
}

// value writes an AnyValue that is depth levels inside others. What is nested deeper
// than metadata may be is null.
func (w *writer) value(message []byte, depth int) {
	if !w.room(4) {
		return
	}
	field := pick(message)
	switch field.tag {
	case anyString:
		w.string(mapping.View(field.data))
		return
	case anyBool:
		w.b = strconv.AppendBool(w.b, field.bits != 0)
		return
	case anyInt:
		w.b = strconv.AppendInt(w.b, int64(field.bits), 10)
		return
	case anyDouble:
		w.double(math.Float64frombits(field.bits))
		return
	case anyBytes:
		if w.room(base64.StdEncoding.EncodedLen(len(field.data)) + 2) {
			w.b = append(base64.StdEncoding.AppendEncode(append(w.b, '"'), field.data), '"')
		}
		return
	case anyArray, anyList:
		if depth+2 < event.MaxMetadataDepth {
			w.values(field.data, field.tag == anyList, depth)
			return
		}
	}
	w.b = append(w.b, "null"...)
}

func (w *writer) double(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.b = strconv.AppendQuote(w.b, strconv.FormatFloat(f, 'g', -1, 64))
		return
	}
	w.b = strconv.AppendFloat(w.b, f, 'g', -1, 64)
}

// values writes an ArrayValue, or a KeyValueList as an object.
func (w *writer) values(message []byte, object bool, depth int) {
	open, shut := byte('['), byte(']')
	if object {
		open, shut = '{', '}'
	}
	w.b = append(w.b, open)
	first := true
	for list := (wire{b: message}); list.next() && !w.over; {
		if list.tag != listValues {
			continue
		}
		if !first {
			w.b = append(w.b, ',')
		}
		first = false
		value := list.data
		if object {
			var key string
			key, value, _ = keyValue(list.data)
			w.string(key)
			w.b = append(w.b, ':')
		}
		w.value(value, depth+1)
	}
	w.b = append(w.b, shut)
}

// member writes a name and a value into an object, or nothing if it finds no room.
func (w *writer) member(name string, value []byte) bool {
	from := len(w.b)
	if from > 1 {
		w.b = append(w.b, ',')
	}
	w.string(name)
	w.b = append(w.b, ':')
	w.value(value, 1)
	if w.over {
		w.b, w.over = w.b[:from], false
		return false
	}
	return true
}
