package otlp

import "github.com/flowgauge/flowgauge/collector/receive/mapping"

// The fields of the messages, as tags. The schema is opentelemetry-proto's.
const (
	requestResourceSpans = 1<<3 | length

	resourceSpansResource = 1<<3 | length
	resourceSpansScopes   = 2<<3 | length
	resourceAttributes    = 1<<3 | length

	scopeSpansScope = 1<<3 | length
	scopeSpansSpans = 2<<3 | length
	scopeName       = 1<<3 | length
	scopeAttributes = 3<<3 | length

	spanTraceID    = 1<<3 | length
	spanSpanID     = 2<<3 | length
	spanParentID   = 4<<3 | length
	spanName       = 5<<3 | length
	spanKind       = 6<<3 | varint
	spanStart      = 7<<3 | fixed64
	spanEnd        = 8<<3 | fixed64
	spanAttributes = 9<<3 | length
	spanEvents     = 11<<3 | length
	spanStatus     = 15<<3 | length

	statusMessage = 2<<3 | length
	statusCode    = 3<<3 | varint

	eventName       = 2<<3 | length
	eventAttributes = 3<<3 | length

	keyValueKey   = 1<<3 | length
	keyValueValue = 2<<3 | length

	statusError = 2
)

// maxAttributes is how many attributes of a span are looked at; a span of the SDKs has
// at most 128. It bounds what an empty attribute of two bytes makes here.
const maxAttributes = 1024

// span is a span whose texts share the bytes of the request.
type span struct {
	raw                       []byte // its message
	traceID, spanID, parentID []byte
	name                      string
	kind                      uint64
	start, end                uint64 // Unix nanoseconds
	failed                    bool
	message                   string
	attributes                []attribute
	dropped                   int // attributes beyond the limit
}

// attribute is a name and an AnyValue's message.
type attribute struct {
	key   string
	value []byte
	slot  int // of the reference with this name, -1 when there is none
}

// read reads a span's message. It returns false when that is no protobuf.
func (s *span) read(message []byte, slots *slots) bool {
	*s = span{raw: message, attributes: s.attributes[:0]}
	w := wire{b: message}
	for w.next() {
		switch w.tag {
		case spanTraceID:
			s.traceID = w.data
		case spanSpanID:
			s.spanID = w.data
		case spanParentID:
			s.parentID = w.data
		case spanName:
			s.name = mapping.View(w.data)
		case spanKind:
			s.kind = w.bits
		case spanStart:
			s.start = w.bits
		case spanEnd:
			s.end = w.bits
		case spanAttributes:
			if len(s.attributes) == maxAttributes {
				s.dropped++
				continue
			}
			var ok bool
			if s.attributes, ok = slots.read(s.attributes, w.data); !ok {
				return false
			}
		case spanStatus:
			if !s.readStatus(w.data) {
				return false
			}
		}
	}
	return !w.bad
}

func (s *span) readStatus(message []byte) bool {
	w := wire{b: message}
	for w.next() {
		switch w.tag {
		case statusMessage:
			s.message = mapping.View(w.data)
		case statusCode:
			s.failed = w.bits == statusError
		}
	}
	return !w.bad
}

// exception returns an attribute of the last exception that the span has recorded.
func (s *span) exception(key string) []byte {
	var last []byte
	for w := (wire{b: s.raw}); w.next(); {
		if w.tag != spanEvents {
			continue
		}
		var value []byte
		exception := false
		event := wire{b: w.data}
		for event.next() {
			switch event.tag {
			case eventName:
				exception = string(event.data) == "exception"
			case eventAttributes:
				if k, v, ok := keyValue(event.data); ok && k == key {
					value = v
				}
			}
		}
		if exception && !event.bad {
			last = value
		}
	}
	return last
}

// keyValue reads a KeyValue's message. A key without a value has an empty AnyValue.
func keyValue(message []byte) (key string, value []byte, ok bool) {
	value = []byte{}
	w := wire{b: message}
	for w.next() {
		switch w.tag {
		case keyValueKey:
			key = mapping.View(w.data)
		case keyValueValue:
			value = w.data
		}
	}
	return key, value, !w.bad
}
