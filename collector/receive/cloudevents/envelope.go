package cloudevents

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// envelope is a CloudEvent. Its texts are valid as long as what it was read from.
type envelope struct {
	attributes []attribute // in order; unset ones are left out
	data       []byte
	hasData    bool
	encoded    bool // data is base64 in quotes
	valid      bool // data is known to be JSON
	faulty     *event.Error
}

// attribute is a context attribute. Its value is JSON: a string, a number, true or
// false.
type attribute struct {
	name  string
	value []byte
}

// The attributes that say how an event is to be read.
const (
	attrVersion     = "specversion"
	attrID          = "id"
	attrSource      = "source"
	attrType        = "type"
	attrTime        = "time"
	attrContentType = "datacontenttype"
)

func (e *envelope) fail(code event.Code, field, message string) {
	if e.faulty == nil {
		e.faulty = &event.Error{Code: code, Field: field, Message: message}
	}
}

// maxAttributes is how many attributes an event may have.
const maxAttributes = 128

// set adds an attribute.
func (e *envelope) set(name string, value []byte) {
	if len(e.attributes) == maxAttributes {
		e.fail(event.CodeTooMany, name, "a CloudEvent may have 128 attributes")
		return
	}
	if _, twice := e.value(name); twice {
		e.fail(event.CodeDuplicateField, name, "the attribute "+name+" is given twice")
		return
	}
	e.attributes = append(e.attributes, attribute{name, value})
}

func (e *envelope) value(name string) ([]byte, bool) {
	for i := range e.attributes {
		if e.attributes[i].name == name {
			return e.attributes[i].value, true
		}
	}
	return nil, false
}

// text returns an attribute's text, "" when it is unset.
func (e *envelope) text(name string) string {
	value, ok := e.value(name)
	if !ok {
		return ""
	}
	return plain(value)
}

// plain returns what a JSON value says: a string's text, anything else as it is
// written. It may share the value's bytes.
func plain(value []byte) string {
	if value[0] == '"' {
		return walk.String(value)
	}
	return mapping.View(value)
}

// readJSON reads an event in the JSON format, of which it is known that it is JSON.
func (e *envelope) readJSON(object []byte) {
	*e = envelope{attributes: e.attributes[:0], valid: true}
	r := walk.New(object)
	if r.Kind() != '{' {
		e.fail(event.CodeNotAnObject, "", "a CloudEvent is a JSON object, not "+event.Clip(string(object), 48))
		return
	}
	for r.Enter(); r.More(); {
		name, value, _ := r.Member()
		switch string(name) {
		case "data":
			if e.hasData {
				e.fail(event.CodeDuplicateField, "data", "the event has data twice, or data and data_base64")
			}
			e.data, e.hasData = value, true
		case "data_base64":
			if value[0] == 'n' {
				continue
			}
			if e.hasData {
				e.fail(event.CodeDuplicateField, "data_base64", "the event has data twice, or data and data_base64")
			}
			e.data, e.hasData, e.encoded = value, true, true
		default:
			switch value[0] {
			case 'n': // unset
			case '{', '[':
				e.fail(event.CodeWrongType, string(name), "the attribute "+event.Clip(string(name), 64)+" must be a string, a number, true or false")
			default:
				e.set(mapping.View(name), value)
			}
		}
	}
	e.check()
}

// check finds what the specification does not allow.
func (e *envelope) check() {
	for _, name := range []string{attrVersion, attrID, attrSource, attrType} {
		value, ok := e.value(name)
		switch {
		case !ok || string(value) == `""`:
			e.fail(event.CodeMissingField, name, "a CloudEvent needs the attribute "+name)
		case value[0] != '"':
			e.fail(event.CodeWrongType, name, "the attribute "+name+" must be a string, not "+event.Clip(string(value), 48))
		case !allowed(e.text(name)):
			e.fail(CodeInvalidAttribute, name, "the attribute "+name+" must be UTF-8 without control characters")
		}
	}
	if e.faulty != nil {
		return
	}
	if version := e.text(attrVersion); version != "1.0" {
		e.fail(CodeUnsupportedVersion, attrVersion, "specversion must be 1.0, not "+event.Clip(version, 48))
	}
	// Its source and its id, with a space between them, name an event. That is
	// unambiguous because a URI-reference has none.
	source := e.text(attrSource)
	if _, err := url.Parse(source); err != nil || strings.Contains(source, " ") {
		e.fail(CodeInvalidAttribute, attrSource, "source must be a URI-reference, not "+event.Clip(source, 48))
	}
}

// allowed says whether the type String allows a text.
func allowed(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r <= 0x9f {
			return false
		}
	}
	return true
}

// unpack leaves the data as a JSON text, or finds why it is none.
func (e *envelope) unpack() {
	contentType := e.text(attrContentType)
	if !e.hasData {
		return
	}
	if contentType == "" && e.encoded {
		e.fail(CodeUnsupportedData, attrContentType, "data_base64 without datacontenttype may be anything: set it to application/json")
		return
	}
	if contentType != "" && !isJSON(contentType) {
		e.fail(CodeUnsupportedData, attrContentType, "the data must be JSON, not "+event.Clip(contentType, 48))
		return
	}
	if e.encoded {
		if e.data[0] != '"' {
			e.fail(event.CodeWrongType, "data_base64", "data_base64 must be a string")
			return
		}
		text := walk.Text(nil, e.data)
		n, err := base64.StdEncoding.Decode(text, text)
		if err != nil {
			e.fail(CodeInvalidAttribute, "data_base64", "data_base64 must be base64: "+err.Error())
			return
		}
		e.data, e.encoded, e.valid = text[:n], false, false
	}
	if !e.valid && !json.Valid(e.data) {
		e.fail(event.CodeMalformedJSON, "data", "the data is not JSON: "+json.Unmarshal(e.data, new(struct{})).Error())
	}
}

// isJSON says whether a media type is of JSON: */json or */*+json, in UTF-8.
func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	charset := strings.ToLower(params["charset"])
	if charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii" {
		return false
	}
	_, sub, _ := strings.Cut(media, "/")
	return sub == "json" || strings.HasSuffix(sub, "+json")
}
