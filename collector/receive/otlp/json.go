package otlp

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
)

// requestJSON reads a request in OTLP's JSON. It is taken apart down to its spans;
// each of them, and each resource and scope, is turned into its protobuf message.
func (d *decoder) requestJSON(body []byte) bool {
	if !json.Valid(body) {
		return d.refuse(badJSON(event.CodeMalformedJSON, "", "the body is not JSON: "+json.Unmarshal(body, new(struct{})).Error()))
	}
	r := walk.New(body)
	if r.Kind() != '{' {
		return d.refuse(badJSON(event.CodeNotAnObject, "", "a request is a JSON object"))
	}
	return d.eachOf(r, "resourceSpans", func(r *walk.Reader) bool {
		resource, scopes, ok := d.pair(r, "resource", "scopeSpans")
		if !ok {
			return false
		}
		d.resourceJSON = resource
		if message, ok := d.transcode(resource, &resourceSchema, "resource"); !ok || !d.enterResource(message) {
			return false
		}
		return d.each(scopes, "scopeSpans", d.scopeSpansJSON)
	})
}

func (d *decoder) scopeSpansJSON(r *walk.Reader) bool {
	scope, spans, ok := d.pair(r, "scope", "spans")
	if !ok {
		return false
	}
	d.scopeJSON = scope
	if message, ok := d.transcode(scope, &scopeSchema, "scope"); !ok || !d.enterScope(message) {
		return false
	}
	return d.each(spans, "spans", func(r *walk.Reader) bool {
		raw := r.Value()
		message, ok := d.transcode(raw, &spanSchema, "span")
		return ok && d.oneSpan(message, raw)
	})
}

// eachOf calls do at every element of a member of the object ahead.
func (d *decoder) eachOf(r *walk.Reader, name string, do func(*walk.Reader) bool) bool {
	for r.Enter(); r.More(); {
		if string(r.Name()) != name {
			r.Value()
		} else if !d.each(r.Value(), name, do) {
			return false
		}
	}
	return true
}

// each calls do at every element of an array, which may be absent.
func (d *decoder) each(array []byte, name string, do func(*walk.Reader) bool) bool {
	if array == nil || array[0] == 'n' {
		return true
	}
	r := walk.New(array)
	if r.Kind() != '[' {
		return d.refuse(badJSON(event.CodeWrongType, name, name+" must be an array"))
	}
	for r.Enter(); r.More(); {
		if !do(r) {
			return false
		}
	}
	return true
}

// pair returns two members of the object ahead, nil when they are absent.
func (d *decoder) pair(r *walk.Reader, first, second string) (a, b []byte, ok bool) {
	if r.Kind() != '{' {
		return nil, nil, d.refuse(badJSON(event.CodeWrongType, second, "what has "+second+" must be an object"))
	}
	for r.Enter(); r.More(); {
		switch string(r.Name()) {
		case first:
			if a = r.Value(); a[0] == 'n' {
				a = nil
			}
		case second:
			b = r.Value()
		default:
			r.Value()
		}
	}
	return a, b, true
}

// transcode turns an object into its protobuf message, which lives as long as the
// request; nil stays nil.
func (d *decoder) transcode(object []byte, s *schema, what string) ([]byte, bool) {
	if object == nil {
		return nil, true
	}
	if object[0] != '{' {
		return nil, d.refuse(badJSON(event.CodeWrongType, what, "a "+what+" must be an object"))
	}
	t := transcoder{b: d.scratch[:0]}
	t.object(walk.New(object), s, 0)
	if grown := cap(t.b) - cap(d.scratch); grown > keepScratch && !d.m.Reserve(grown) {
		return nil, d.refuse(receive.Overloaded)
	}
	d.scratch = t.b
	if t.bad != "" {
		return nil, d.refuse(badJSON(event.CodeWrongType, t.field, t.field+" must be "+t.bad))
	}
	message := d.arena.Copy(t.b)
	if d.arena.Full() {
		return nil, d.refuse(receive.Overloaded)
	}
	if message == nil {
		message = []byte{}
	}
	return message, true
}

func badJSON(code event.Code, field, detail string) *receive.Refusal {
	return &receive.Refusal{Status: http.StatusBadRequest, Code: code, Field: field, Detail: detail + "; nothing of the request was taken", Keep: true}
}

// transcoder writes protobuf.
type transcoder struct {
	b          []byte
	field, bad string // the first value that cannot be: where, and what it must be
}

// maxJSONDepth is how deep values may lie in values; those deeper are left out. The
// metadata that they would be in may have 32 levels.
const maxJSONDepth = 3 * event.MaxMetadataDepth

func (t *transcoder) object(r *walk.Reader, s *schema, depth int) {
	for r.Enter(); r.More(); {
		name := r.Name()
		m, ok := (*s)[string(name)]
		switch {
		case !ok || r.Kind() == 'n' || depth > maxJSONDepth:
			r.Value()
		case !m.repeated:
			t.value(r, m, name, depth)
		case r.Kind() != '[':
			t.fail(name, "an array")
			return
		default:
			for r.Enter(); r.More() && t.bad == ""; {
				t.value(r, m, name, depth)
			}
		}
		if t.bad != "" {
			return
		}
	}
}

func (t *transcoder) fail(name []byte, want string) {
	if t.bad == "" {
		t.field, t.bad = string(name), want
	}
}

func (t *transcoder) value(r *walk.Reader, m member, name []byte, depth int) {
	if m.form == asMessage {
		if r.Kind() != '{' {
			if r.Kind() == 'n' {
				r.Value()
				return
			}
			t.fail(name, "an object")
			return
		}
		from := t.open(m.field)
		t.object(r, m.message, depth+1)
		t.shut(from)
		return
	}
	raw := r.Value()
	if raw[0] == 'n' {
		return
	}
	if want := t.scalar(raw, m); want != "" {
		t.fail(name, want+", not "+strconv.Quote(string(raw[:min(len(raw), 64)])))
	}
}
