package cloudevents

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/internal/walk"
)

const headerPrefix = "Ce-" // as net/http spells names

// fromHeaders returns the event of a request in binary mode.
func fromHeaders(header http.Header, body []byte) envelope {
	var e envelope
	for _, key := range slices.Sorted(maps.Keys(header)) {
		name, ok := strings.CutPrefix(key, headerPrefix)
		if !ok {
			continue
		}
		name, values := strings.ToLower(name), header[key]
		text, ok := decodeHeader(values[0])
		if name == attrSource && (!ok || strings.Contains(text, " ")) && !strings.ContainsAny(values[0], ` "`) {
			// A URI with a space as %20, from a sender who has not encoded the % again as
			// the binding wants it; the SDK of Go is one. Encoded it would be no URI.
			text, ok = values[0], true
		}
		switch {
		case len(values) > 1:
			e.fail(event.CodeDuplicateField, name, "the header ce-"+event.Clip(name, 64)+" is given twice")
		case name == attrContentType:
			e.fail(CodeInvalidAttribute, name, "in binary mode the header Content-Type is the datacontenttype")
		case !ok:
			e.fail(CodeInvalidAttribute, name, "the header ce-"+event.Clip(name, 64)+" is not percent-encoded UTF-8")
		case text != "":
			e.set(name, walk.Quote(nil, text))
		}
	}
	e.setData(header.Get("Content-Type"), body)
	return e
}

// setData gives an event in binary mode its data.
func (e *envelope) setData(contentType string, data []byte) {
	if contentType != "" {
		e.set(attrContentType, walk.Quote(nil, contentType))
	}
	e.data, e.hasData = data, len(data) > 0
}

// decodeHeader reads a header's value: what is within double quotes is unescaped, then
// percent-encoding is taken off, once. A % that encodes nothing stays. It returns
// false for what is not UTF-8.
func decodeHeader(value string) (string, bool) {
	value = strings.TrimSpace(value)
	if !strings.ContainsAny(value, `"%`) {
		return value, utf8.ValidString(value)
	}
	unquoted := make([]byte, 0, len(value))
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted && i+1 < len(value):
			i++
			unquoted = append(unquoted, value[i])
		default:
			unquoted = append(unquoted, c)
		}
	}
	out := make([]byte, 0, len(unquoted))
	for i := 0; i < len(unquoted); i++ {
		if unquoted[i] == '%' && i+2 < len(unquoted) {
			high, ok1 := hexDigit(unquoted[i+1])
			low, ok2 := hexDigit(unquoted[i+2])
			if ok1 && ok2 {
				out = append(out, high<<4|low)
				i += 2
				continue
			}
		}
		out = append(out, unquoted[i])
	}
	return string(out), utf8.Valid(out)
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// appendJSON writes the event in the JSON format.
func (e *envelope) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range e.attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(walk.Quote(dst, e.attributes[i].name), ':')
		dst = append(dst, e.attributes[i].value...)
	}
	if e.hasData {
		if len(e.attributes) > 0 {
			dst = append(dst, ',')
		}
		dst = e.appendData(dst)
	}
	return append(dst, '}')
}

// appendData writes the data as what it is, if it is JSON.
func (e *envelope) appendData(dst []byte) []byte {
	contentType := e.text(attrContentType)
	if (contentType == "" || isJSON(contentType)) && json.Valid(e.data) {
		return append(append(dst, `"data":`...), e.data...)
	}
	dst = append(dst, `"data_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, e.data), '"')
}
