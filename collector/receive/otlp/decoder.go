package otlp

import (
	"net/http"
	"sync"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// decoder turns one request into events. It stands at one span after the other,
// within a scope, within a resource.
type decoder struct {
	slots
	all   []*rule // of the protocol
	rules []*rule // those that fit the scope at hand
	arena mapping.Arena
	who   receive.Principal
	m     receive.Message
	yield event.Yield

	// The resource and scope at hand.
	resource, scopeMessage  []byte // their messages, for dead letters
	resourceJSON, scopeJSON []byte // as they were sent, if that is not protobuf
	inResource              []attribute
	around                  []attribute // of both
	outer                   [][]byte    // values of both, by slot
	scope                   string

	// The span at hand.
	span            span
	values          [][]byte // by slot
	star            string
	ownID, parentID string
	made            []event.Event
	scratch         []byte

	spans, mapped, ignored, rejected, count int // count is of events
	refusal                                 *receive.Refusal
}

// newDecoders returns a pool of decoders for rules.
func newDecoders(rules []*rule, s *slots) *sync.Pool {
	return &sync.Pool{New: func() any {
		d := &decoder{all: rules, outer: make([][]byte, len(s.names)), values: make([][]byte, len(s.names))}
		d.index, d.names = s.index, s.names // read only from now on
		return d
	}}
}

// start prepares for a request.
func (d *decoder) start(m receive.Message, yield event.Yield) {
	d.m, d.who, d.yield = m, m.Who, yield
	d.arena = mapping.NewArena(m.Reserve, len(m.Body)/4)
}

// keepScratch is the largest scratch that is kept for another request.
const keepScratch = 256 << 10

// reset forgets the request.
func (d *decoder) reset() {
	if cap(d.scratch) > keepScratch {
		d.scratch = nil
	}
	d.forget()
	clear(d.outer)
	clear(d.values)
	for _, list := range []*[]attribute{&d.inResource, &d.around, &d.span.attributes} {
		clear((*list)[:cap(*list)])
		*list = (*list)[:0]
	}
	clear(d.made[:cap(d.made)])
	*d = decoder{
		slots: d.slots, all: d.all, rules: d.rules[:0], outer: d.outer, values: d.values,
		inResource: d.inResource, around: d.around, span: span{attributes: d.span.attributes}, made: d.made[:0], scratch: d.scratch[:0],
	}
}

// refuse ends the request.
func (d *decoder) refuse(why *receive.Refusal) bool {
	if d.refusal == nil {
		d.refusal = why
	}
	return false
}

// malformed says that a message cannot be read.
func malformed(what string) *receive.Refusal {
	return &receive.Refusal{
		Status: http.StatusBadRequest, Code: CodeMalformedProtobuf, Keep: true,
		Detail: what + " is no protobuf message of opentelemetry-proto; nothing of the request was taken",
	}
}

// request reads an ExportTraceServiceRequest's message.
func (d *decoder) request(message []byte) bool {
	w := wire{b: message}
	for w.next() {
		if w.tag == requestResourceSpans && !d.resourceSpans(w.data) {
			return false
		}
	}
	return !w.bad || d.refuse(malformed("the body"))
}

// resourceSpans reads a ResourceSpans' message. Nothing says that the resource comes
// before the scopes in it, so it is looked for first.
func (d *decoder) resourceSpans(message []byte) bool {
	resource, ok := find(message, resourceSpansResource)
	if !ok {
		return d.refuse(malformed("a ResourceSpans"))
	}
	if !d.enterResource(resource) {
		return false
	}
	for w := (wire{b: message}); w.next(); {
		if w.tag == resourceSpansScopes && !d.scopeSpans(w.data) {
			return false
		}
	}
	return true
}

func (d *decoder) scopeSpans(message []byte) bool {
	scope, ok := find(message, scopeSpansScope)
	if !ok {
		return d.refuse(malformed("a ScopeSpans"))
	}
	if !d.enterScope(scope) {
		return false
	}
	for w := (wire{b: message}); w.next(); {
		if w.tag == scopeSpansSpans && !d.oneSpan(w.data, nil) {
			return false
		}
	}
	return true
}

// find returns the last field with a tag, and whether the message is one.
func find(message []byte, tag uint64) (data []byte, ok bool) {
	w := wire{b: message}
	for w.next() {
		if w.tag == tag {
			data = w.data
		}
	}
	return data, !w.bad
}

// enterResource reads a Resource's message.
func (d *decoder) enterResource(message []byte) bool {
	d.resource = message
	var ok bool
	d.inResource, ok = d.readAll(d.inResource[:0], message, resourceAttributes)
	return ok || d.refuse(malformed("a Resource"))
}

// enterScope reads an InstrumentationScope's message and chooses the rules that may
// match its spans.
func (d *decoder) enterScope(message []byte) bool {
	d.scopeMessage = message
	name, ok := find(message, scopeName)
	if !ok {
		return d.refuse(malformed("an InstrumentationScope"))
	}
	d.scope = mapping.View(name)
	if d.around, ok = d.readAll(append(d.around[:0], d.inResource...), message, scopeAttributes); !ok {
		return d.refuse(malformed("an InstrumentationScope"))
	}
	clear(d.outer)
	for i := range d.around { // A scope's attribute stands before its resource's.
		if a := &d.around[i]; a.slot >= 0 {
			d.outer[a.slot] = a.value
		}
	}
	d.rules = d.rules[:0]
	for _, r := range d.all {
		if r.fits(d) {
			d.rules = append(d.rules, r)
		}
	}
	return true
}

func (d *decoder) readAll(to []attribute, message []byte, tag uint64) (_ []attribute, ok bool) {
	w := wire{b: message}
	for w.next() {
		if w.tag != tag || len(to) >= 2*maxAttributes {
			continue
		}
		if to, ok = d.read(to, w.data); !ok {
			return to, false
		}
	}
	return to, !w.bad
}

// oneSpan reads a Span's message and yields its events. raw is the span as it was
// sent, if that is not the message.
func (d *decoder) oneSpan(message, raw []byte) bool {
	index := d.spans
	d.spans++
	if len(d.rules) == 0 {
		d.ignored++
		return true
	}
	if !d.span.read(message, &d.slots) {
		return d.refuse(malformed("a Span"))
	}
	clear(d.values)
	for i := range d.span.attributes {
		if a := &d.span.attributes[i]; a.slot >= 0 {
			d.values[a.slot] = a.value
		}
	}
	err := d.events()
	switch {
	case d.arena.Full():
		return d.refuse(receive.Overloaded)
	case err != nil:
		d.rejected++
		if d.count++; d.count > d.m.MaxEvents {
			return d.refuse(tooMany(d.m.MaxEvents))
		}
		e := event.Event{ID: d.id(refSpan)}
		if len(d.made) > 0 {
			e.Kind, e.Source = d.made[0].Kind, d.made[0].Source
		}
		return d.yield(index, d.letter(message, raw), &e, err)
	case len(d.made) == 0:
		d.ignored++
		return true
	}
	d.mapped++
	if d.count += len(d.made); d.count > d.m.MaxEvents {
		return d.refuse(tooMany(d.m.MaxEvents))
	}
	for i := range d.made {
		if !d.yield(index, nil, &d.made[i], nil) {
			return false
		}
	}
	return true
}
