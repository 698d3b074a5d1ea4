package sink

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/event"
)

// deadLetters builds the INSERT of refused events. The columns that say what became
// of them are left to their defaults: open, and older than any change.
type deadLetters struct {
	input proto.Input
	add   func(d *event.DeadLetter, at place)
}

func newDeadLetters(log string) *deadLetters {
	c := new(columns)
	tenant, logs := c.str("tenant"), c.str("log")
	version := number(c, "version", new(proto.ColUInt64))
	partition := number(c, "partition", new(proto.ColInt32))
	source, kind, key, path := c.str("source"), c.str("kind"), c.str("key_id"), c.str("path")
	position := number(c, "position", new(proto.ColInt32))
	code, field, message := c.str("code"), c.str("field"), c.str("message")
	contentType, payload := c.str("content_type"), c.str("payload")
	truncated := number(c, "truncated", new(proto.ColUInt8))
	return &deadLetters{input: c.input, add: func(d *event.DeadLetter, at place) {
		tenant.Append(d.Tenant)
		logs.Append(log + at.part) // It is in the key, as the id of a dead letter is.
		version.Append(uint64(at.version))
		partition.Append(at.partition)
		source.Append(d.Source)
		kind.Append(kindOf(d))
		key.Append(d.KeyID)
		path.Append(d.Path)
		position.Append(int32(d.Index))
		code.Append(string(d.Code))
		field.Append(d.Field)
		message.Append(d.Message)
		contentType.Append(d.ContentType)
		payload.AppendBytes(d.Payload)
		if d.Truncated {
			truncated.Append(1)
		} else {
			truncated.Append(0)
		}
	}}
}

// kindOf names the kind of a refused event, "" where it could not be read.
func kindOf(d *event.DeadLetter) string {
	if d.Kind == 0 {
		return ""
	}
	return d.Kind.String()
}
