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
	native  []byte // the event at hand in the native format
	ownID   bool   // its id is not the envelope's
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
func (r *run) one(index int, raw []byte) (on bool) {
	e := &r.e
	if e.faulty == nil {
		typ := e.text(attrType)
		if kind, ok := types[typ]; !ok {
			var done bool
			if done, on = r.foreign(index, raw, typ); done {
				return on
			}
		} else if e.unpack(); e.faulty == nil {
			r.native, r.ownID = e.native(r.native[:0], kind)
		}
	}
	if e.faulty != nil {
		return r.reject(index, raw, e.faulty, 0)
	}
	text := r.arena.Copy(r.native)
	if r.arena.Full() {
		r.refusal = receive.Overloaded
		return false
	}
	return r.decode(index, raw, text)
}

// decode yields an event of the native format.
func (r *run) decode(index int, raw, text []byte) (on bool) {
	opts := event.Options{Tenant: r.m.Who.Tenant, CrossTenant: r.m.Who.CrossTenant}
	fault := event.Decode(text, event.FormatJSON, opts, func(_ int, _ []byte, e *event.Event, err *event.Error) bool {
		if err == nil && !r.ownID && e.Kind == event.KindExecution && e.Status == event.StatusStarted {
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
// that nothing more is to be done for it, on whether to go on with the next one.
func (r *run) foreign(index int, raw []byte, typ string) (done, on bool) {
	e := &r.e
	for _, rule := range r.rules {
		star, ok := rule.typ.Match(typ)
		if _, from := rule.source.Match(e.text(attrSource)); !ok || !from {
			continue
		}
		if rule.kind == 0 {
			return true, r.ignore()
		}
		if e.unpack(); e.faulty != nil {
			return false, true
		}
		v := &view{envelope: e, refs: &r.refs, star: star}
		if r.native, r.ownID, ok = rule.native(r.native[:0], v, &r.arena); !ok {
			return true, r.ignore()
		}
		return false, true
	}
	if !r.cdEvents || !isCDEvent(typ) {
		e.fail(event.CodeUnknownKind, attrType, "no mapping is for the type "+event.Clip(typ, 128))
		return false, true
	}
	if e.unpack(); e.faulty != nil {
		return false, true
	}
	f, err := e.cdEvent(typ, r.m.Who.Tenant)
	switch {
	case err != nil:
		return true, r.reject(index, raw, err, event.KindExecution)
	case f == nil:
		return true, r.ignore()
	}
	return true, r.m.Fragment(f)
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
