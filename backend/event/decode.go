package event

import (
	"bytes"
	"sync"
)

// Format says how a body holds events.
type Format uint8

// The formats.
const (
	FormatJSON   Format = iota // one object, or an array of objects
	FormatNDJSON               // an object on each line; blank lines are skipped
)

// Options are what a decoder must know besides the body.
type Options struct {
	Tenant      string // of the API key
	CrossTenant bool   // the key may write for other tenants, by tenantId
	MaxEvents   int    // the most that a body may hold; 0 is no limit
}

// Yield receives the events of a body one by one. index counts from 0; raw is
// the element as it was sent. When err is not nil the event is rejected, and only
// ID, Kind and Source may be relied on, as far as they could be read. It returns
// false to stop.
//
// e is used again for the next event. Its strings point into the body, or into
// memory of their own, and outlive the call for as long as the body is not
// written to.
type Yield func(index int, raw []byte, e *Event, err *Error) bool

// Decode reads the events of a body in the native wire format and yields every
// one of them, good or bad, in order. A broken line of NDJSON is one bad event.
//
// The error is of the body as a whole: a JSON document whose structure breaks
// (CodeMalformedJSON), no event (CodeEmptyBody), too many (CodeTooManyEvents).
// Then what was yielded before must not be used, since nobody can tell what the
// sender meant.
//
// The scanner is written for this format alone: it allocates nothing for an event
// whose strings have no escapes, whereas encoding/json allocates each of them.
func Decode(body []byte, format Format, opts Options, yield Yield) *Error {
	d := decoders.Get().(*decoder)
	d.opts, d.yield = opts, yield
	d.scanner = scanner{}
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	var err *Error
	if format == FormatNDJSON {
		err = d.lines(body)
	} else {
		err = d.document(body)
	}
	if err == nil && d.index == 0 {
		err = &Error{Code: CodeEmptyBody, Message: "the body holds no event"}
	}
	d.release()
	return err
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decoder holds what decoding a body needs.
type decoder struct {
	scanner
	opts  Options
	yield Yield
	index int

	// The event being read.
	e           Event
	err         *Error   // the first fault
	names       fieldSet // fields that were named
	values      fieldSet // fields with a value
	startTime   int64    // a step's; Time is the timestamp until the kind is known
	creditsUsed Decimal  // a step's

	order [32]field // of the previous event's fields, a guess at this one's
}

// release gives the decoder back without what belongs to the caller.
func (d *decoder) release() {
	clear(d.e.DependsOn[:cap(d.e.DependsOn)])
	*d = decoder{e: Event{DependsOn: d.e.DependsOn[:0]}, order: d.order}
	decoders.Put(d)
}

// lines reads NDJSON.
func (d *decoder) lines(body []byte) *Error {
	for offset := 0; offset < len(body); {
		end := bytes.IndexByte(body[offset:], '\n')
		if end < 0 {
			end = len(body)
		} else {
			end += offset
		}
		d.scanner = scanner{b: body[offset:end:end], base: offset, arena: d.arena}
		offset = end + 1
		if d.space(); d.i == len(d.b) {
			continue
		}
		if d.full() {
			return d.tooMany()
		}
		from := d.i
		d.reset()
		if d.element(); d.bad == nil {
			if d.space(); d.i < len(d.b) {
				d.broken("the end of the line")
			}
		}
		if d.bad != nil {
			d.err = d.bad
		}
		to := len(d.b)
		for isSpace(d.b[to-1]) {
			to--
		}
		if !d.emit(d.b[from:to]) {
			return nil
		}
	}
	return nil
}

// document reads one value, an array's elements each.
func (d *decoder) document(body []byte) *Error {
	d.scanner = scanner{b: body}
	switch d.space() {
	case 0:
		if d.i == len(d.b) {
			return nil
		}
	case '[':
		if stopped := d.array(); stopped || d.bad != nil {
			return d.bad
		}
		if d.space(); d.i < len(d.b) {
			d.broken("the end of the body")
		}
		return d.bad
	}
	from := d.i
	d.reset()
	if !d.element() {
		return d.bad
	}
	to := d.i
	if d.space(); d.i < len(d.b) {
		d.broken("the end of the body (several objects are sent as an array, or as application/x-ndjson)")
		return d.bad
	}
	d.emit(body[from:to])
	return nil
}

// array reads the array at the front.
func (d *decoder) array() (stopped bool) {
	d.i++
	if d.space() == ']' {
		d.i++
		return false
	}
	for {
		if d.full() {
			d.bad = d.tooMany()
			return false
		}
		from := d.i
		d.reset()
		if !d.element() {
			return false
		}
		if !d.emit(d.b[from:d.i]) {
			return true
		}
		switch d.space() {
		case ',':
			d.i++
			d.space()
		case ']':
			d.i++
			return false
		default:
			return d.broken(`"," or "]"`)
		}
	}
}

// emit yields the event.
func (d *decoder) emit(raw []byte) bool {
	index := d.index
	d.index++
	return d.yield(index, raw, &d.e, d.err)
}

func (d *decoder) full() bool { return d.opts.MaxEvents > 0 && d.index >= d.opts.MaxEvents }

func (d *decoder) tooMany() *Error {
	return &Error{Code: CodeTooManyEvents, Message: "more than " + itoa(d.opts.MaxEvents) + " events in one request"}
}
