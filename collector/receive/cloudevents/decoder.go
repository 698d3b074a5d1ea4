package cloudevents

import (
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// Decoder makes events of CloudEvents, however they are transported.
type Decoder struct {
	rules    []*rule
	refs     references
	cdEvents bool
}

// run is a decoder at work on one message.
type run struct {
	*Decoder
	m       receive.Message
	yield   event.Yield
	arena   mapping.Arena
	e       envelope
	scratch []byte
	refusal *receive.Refusal
}

func (d *Decoder) start(m receive.Message, yield event.Yield) *run {
	return &run{Decoder: d, m: m, yield: yield, arena: mapping.NewArena(m.Reserve, len(m.Body))}
}

// Structured decodes one event in the JSON format.
func (d *Decoder) Structured(m receive.Message, yield event.Yield) *receive.Refusal {
	if why := notJSON(m.Body); why != nil {
		return why
	}
	r := d.start(m, yield)
	r.e.readJSON(trim(m.Body))
	r.one(0, trim(m.Body))
	return r.refusal
}

// Batch decodes events in the JSON batch format. A batch may be empty.
func (d *Decoder) Batch(m receive.Message, yield event.Yield) *receive.Refusal {
	if why := notJSON(m.Body); why != nil {
		return why
	}
	r := d.start(m, yield)
	elements := walk.New(m.Body)
	if elements.Kind() != '[' {
		return &receive.Refusal{Status: http.StatusBadRequest, Code: event.CodeWrongType, Keep: true, Detail: "a batch is a JSON array; nothing of the request was taken"}
	}
	index := 0
	for elements.Enter(); elements.More(); index++ {
		if m.MaxEvents > 0 && index == m.MaxEvents {
			return tooMany
		}
		raw := elements.Value()
		r.e.readJSON(raw)
		if !r.one(index, raw) {
			break
		}
	}
	return r.refusal
}

// Attribute is an attribute of an event in binary mode.
type Attribute struct{ Name, Value string }

// Binary decodes an event whose attributes are given besides its data, the message's
// body. contentType is that of the data.
func (d *Decoder) Binary(m receive.Message, attributes []Attribute, contentType string, yield event.Yield) *receive.Refusal {
	var e envelope
	for _, a := range attributes {
		switch {
		case !utf8.ValidString(a.Value):
			e.fail(CodeInvalidAttribute, event.Clip(a.Name, 64), "the attribute "+event.Clip(a.Name, 64)+" is not UTF-8")
		case a.Name == attrContentType:
			e.fail(CodeInvalidAttribute, attrContentType, "in binary mode the header content-type is the datacontenttype")
		case a.Value != "":
			e.set(a.Name, walk.Quote(nil, a.Value))
		}
	}
	e.setData(contentType, m.Body)
	return d.binary(m, e, yield)
}

// binary decodes an event in binary mode. What is wrong with its attributes so far has
// been noted in the envelope.
func (d *Decoder) binary(m receive.Message, e envelope, yield event.Yield) *receive.Refusal {
	r := d.start(m, yield)
	e.check()
	r.e = e
	r.one(0, nil)
	return r.refusal
}

var tooMany = &receive.Refusal{
	Status: http.StatusRequestEntityTooLarge, Code: event.CodeTooManyEvents, Detail: "there are too many events in the batch; send them in parts",
}

func notJSON(body []byte) *receive.Refusal {
	if json.Valid(body) {
		return nil
	}
	return &receive.Refusal{
		Status: http.StatusBadRequest, Code: event.CodeMalformedJSON, Keep: true,
		Detail: "the body is not JSON: " + json.Unmarshal(body, new(struct{})).Error() + "; nothing of the request was taken",
	}
}

// first returns the first byte of JSON text.
func first(text []byte) byte { return walk.New(text).Kind() }

// trim returns the value without the white space around it.
func trim(text []byte) []byte { return walk.New(text).Value() }

// one yields what the envelope at hand becomes. raw is its JSON, nil when it came in
// another form. It returns false to stop.
func (r *run) one(index int, raw []byte) bool {
	e := &r.e
	var native []byte
	ownID := true
	if e.faulty == nil {
		typ := e.text(attrType)
		if kind, ok := types[typ]; ok {
			if e.unpack(); e.faulty == nil {
				native, ownID = e.native(r.scratch[:0], kind)
			}
		} else {
			var done, on bool
			if native, done, on = r.foreign(index, raw, typ); done {
				return on
			}
		}
	}
	if e.faulty != nil {
		return r.reject(index, raw, e.faulty, 0)
	}
	r.scratch = native
	text := r.arena.Copy(native)
	if r.arena.Full() {
		r.refusal = receive.Overloaded
		return false
	}
	return r.decode(index, raw, text, ownID)
}

// decode yields an event of the native format.
func (r *run) decode(index int, raw, text []byte, ownID bool) (on bool) {
	opts := event.Options{Tenant: r.m.Who.Tenant, CrossTenant: r.m.Who.CrossTenant}
	fault := event.Decode(text, event.FormatJSON, opts, func(_ int, _ []byte, e *event.Event, err *event.Error) bool {
		if err == nil && !ownID && e.Kind == event.KindExecution && e.Status == event.StatusStarted {
			err = event.Missing("id", "an execution's start and its end share their id, and two CloudEvents cannot: the data needs an id")
		}
		if err != nil {
			on = r.reject(index, raw, err, e.Kind)
		} else {
			on = r.yield(index, nil, e, nil)
		}
		return on
	})
	if fault != nil {
		return r.reject(index, raw, fault, 0)
	}
	return on
}

// foreign makes of an event that is not Flowgauge's own what a mapping says. done says
// that there is nothing more to do for it, on whether to go on with the next.
func (r *run) foreign(index int, raw []byte, typ string) (native []byte, done, on bool) {
	e := &r.e
	v := &view{envelope: e, refs: &r.refs}
	for _, rule := range r.rules {
		star, ok := rule.typ.Match(typ)
		if _, from := rule.source.Match(e.text(attrSource)); !ok || !from {
			continue
		}
		if rule.kind == 0 {
			return nil, true, r.ignore()
		}
		if e.unpack(); e.faulty != nil {
			return nil, false, true
		}
		v.star = star
		if native, ok = rule.native(r.scratch[:0], v, &r.arena); !ok {
			return nil, true, r.ignore()
		}
		return native, false, true
	}
	if !r.cdEvents || !isCDEvent(typ) {
		e.fail(event.CodeUnknownKind, attrType, "no mapping is for the type "+event.Clip(typ, 128))
		return nil, false, true
	}
	if e.unpack(); e.faulty != nil {
		return nil, false, true
	}
	f, err := e.cdEvent(typ, r.m.Who.Tenant)
	switch {
	case err != nil:
		return nil, true, r.reject(index, raw, err, event.KindExecution)
	case f == nil:
		return nil, true, r.ignore()
	}
	return nil, true, r.m.Fragment(f)
}

func (r *run) ignore() bool {
	if r.m.Ignore != nil {
		r.m.Ignore()
	}
	return true
}

// reject yields a fault. Its dead letter is the event in the JSON format.
func (r *run) reject(index int, raw []byte, err *event.Error, kind event.Kind) bool {
	e := &r.e
	if raw == nil {
		raw = e.appendJSON(nil)
	}
	at := event.Event{Kind: kind, ID: event.ClipName(e.text(attrID)), Source: event.ClipName(e.text(attrSource))}
	return r.yield(index, raw, &at, err)
}

// NewDecoder compiles mappings.
func NewDecoder(mappings []config.EventMapping, presets []string) (*Decoder, error) {
	d := &Decoder{}
	for i := range mappings {
		r, err := compileRule(&mappings[i], &d.refs)
		if err != nil {
			return nil, errorAt(i, mappings[i].Name, err)
		}
		d.rules = append(d.rules, r)
	}
	return d, d.use(presets)
}
