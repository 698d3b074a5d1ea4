package otlp

import "google.golang.org/protobuf/encoding/protowire"

// schema is what of a message is read from JSON, by the names of its fields there. The
// others are passed over, as the specification wants it for names that are not known.
type schema map[string]member

type member struct {
	field    protowire.Number
	form     form
	message  *schema
	repeated bool
}

// form is how a value is written in JSON.
type form uint8

const (
	asText    form = iota
	asHex          // ids, other than in protobuf's own mapping
	asBase64       //
	asInteger      // a number, or a text if it has 64 bits
	asFixed64      //
	asDouble       // a number, "NaN", "Infinity" or "-Infinity"
	asBool         //
	asMessage      //
)

var (
	resourceSchema = schema{"attributes": list(1, &keyValueSchema)}
	scopeSchema    = schema{"name": one(1, asText), "attributes": list(3, &keyValueSchema)}
	spanSchema     = schema{
		"traceId": one(1, asHex), "spanId": one(2, asHex), "parentSpanId": one(4, asHex), "name": one(5, asText),
		"kind": one(6, asInteger), "startTimeUnixNano": one(7, asFixed64), "endTimeUnixNano": one(8, asFixed64),
		"attributes": list(9, &keyValueSchema), "events": list(11, &eventSchema),
		"status": {field: 15, form: asMessage, message: &statusSchema},
	}
	eventSchema    = schema{"name": one(2, asText), "attributes": list(3, &keyValueSchema)}
	statusSchema   = schema{"message": one(2, asText), "code": one(3, asInteger)}
	keyValueSchema = schema{"key": one(1, asText), "value": {field: 2, form: asMessage, message: &anySchema}}
	anySchema      = schema{}
	arraySchema    = schema{"values": list(1, &anySchema)}
	kvlistSchema   = schema{"values": list(1, &keyValueSchema)}
)

func init() { // A value may hold values.
	anySchema["stringValue"] = one(1, asText)
	anySchema["boolValue"] = one(2, asBool)
	anySchema["intValue"] = one(3, asInteger)
	anySchema["doubleValue"] = one(4, asDouble)
	anySchema["arrayValue"] = member{field: 5, form: asMessage, message: &arraySchema}
	anySchema["kvlistValue"] = member{field: 6, form: asMessage, message: &kvlistSchema}
	anySchema["bytesValue"] = one(7, asBase64)
}

func one(field protowire.Number, f form) member { return member{field: field, form: f} }

func list(field protowire.Number, of *schema) member {
	return member{field: field, form: asMessage, message: of, repeated: true}
}
