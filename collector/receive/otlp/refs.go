package otlp

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// References that begin with a $ are of the span itself. Their numbers are below 0,
// those of attributes are their slots.
const (
	refTrace = -1 - iota // the trace id
	refSpan              // trace id - span id: unique, whatever the span ids of other traces are
	refParent
	refSpanID
	refParentID
	refName
	refStar
	refScope
	refMessage
	refExceptionType
	refExceptionMessage
)

var ownRefs = map[string]int{
	"$trace": refTrace, "$span": refSpan, "$parent": refParent, "$span_id": refSpanID, "$parent_id": refParentID,
	"$name": refName, "$*": refStar, "$scope": refScope, "$message": refMessage,
	"$exception.type": refExceptionType, "$exception.message": refExceptionMessage,
}

// resolve numbers a reference.
func (s *slots) resolve(name string) (int, error) {
	if ref, ok := ownRefs[name]; ok {
		return ref, nil
	}
	if name == "" || strings.HasPrefix(name, "$") {
		return 0, fmt.Errorf("{%s} is no reference: it is an attribute's name, or one of $trace, $span, $parent, $span_id, $parent_id, $name, $*, $scope, $message, $exception.type, $exception.message", name)
	}
	return s.add(name), nil
}

// Text is the value of a reference in the span at hand. An attribute that the span
// does not have may be its scope's or its resource's.
func (d *decoder) Text(ref int) (string, bool) {
	var s string
	switch ref {
	case refTrace:
		s, _, _ = strings.Cut(d.id(refSpan), "-")
	case refSpan, refParent:
		s = d.id(ref)
	case refSpanID:
		_, s, _ = strings.Cut(d.id(refSpan), "-")
	case refParentID:
		_, s, _ = strings.Cut(d.id(refParent), "-")
	case refName:
		s = d.span.name
	case refStar:
		s = d.star
	case refScope:
		s = d.scope
	case refMessage:
		s = d.span.message
	case refExceptionType:
		s = text(d.span.exception("exception.type"), &d.arena)
	case refExceptionMessage:
		s = text(d.span.exception("exception.message"), &d.arena)
	default:
		value := d.values[ref]
		if value == nil {
			value = d.outer[ref]
		}
		if value != nil {
			s = text(value, &d.arena)
		}
	}
	return s, s != ""
}

const (
	traceIDBytes = 16
	spanIDBytes  = 8
)

// id returns the id of the span, or of its parent, with that of their trace; "" when
// they are not valid.
func (d *decoder) id(ref int) string {
	memo, spanID := &d.ownID, d.span.spanID
	if ref == refParent {
		memo, spanID = &d.parentID, d.span.parentID
	}
	if !valid(d.span.traceID, traceIDBytes) || !valid(spanID, spanIDBytes) {
		return ""
	}
	if *memo == "" {
		var buf [2*traceIDBytes + 1 + 2*spanIDBytes]byte
		b := hex.AppendEncode(buf[:0], d.span.traceID)
		*memo = d.arena.Keep(hex.AppendEncode(append(b, '-'), spanID))
	}
	return *memo
}

// valid says whether an id has its length and is not 0.
func valid(id []byte, n int) bool {
	if len(id) != n {
		return false
	}
	for _, c := range id {
		if c != 0 {
			return true
		}
	}
	return false
}
