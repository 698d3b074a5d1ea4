package otlp

import "google.golang.org/protobuf/encoding/protowire"

// maxContext is how large a resource and a scope may be that are kept with each of
// their rejected spans.
const maxContext = 8 << 10

// letter is what is kept of a rejected span: a request of this span alone, with its
// resource and scope, that can be sent again as it is.
func (d *decoder) letter(message, raw []byte) []byte {
	if raw != nil {
		resource, scope := d.resourceJSON, d.scopeJSON
		if len(resource)+len(scope) > maxContext {
			resource, scope = nil, nil
		}
		return letterJSON(resource, scope, raw)
	}
	inScope, ofResource := d.scopeMessage, d.resource
	if len(inScope)+len(ofResource) > maxContext {
		inScope, ofResource = nil, nil
	}
	scope := appendMessage(nil, 1, inScope)
	scope = appendMessage(scope, 2, message)
	resource := appendMessage(nil, 1, ofResource)
	resource = appendMessage(resource, 2, scope)
	return appendMessage(nil, 1, resource)
}

// appendMessage appends a field that is a message, unless it was not given.
func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	if message == nil {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func letterJSON(resource, scope, span []byte) []byte {
	b := []byte(`{"resourceSpans":[{`)
	if resource != nil {
		b = append(append(append(b, `"resource":`...), resource...), ',')
	}
	b = append(b, `"scopeSpans":[{`...)
	if scope != nil {
		b = append(append(append(b, `"scope":`...), scope...), ',')
	}
	b = append(append(b, `"spans":[`...), span...)
	return append(b, `]}]}]}`...)
}
