package event

import "encoding/binary"

// MaxDeadLetterPayload is how much of a rejected event's text is kept.
const MaxDeadLetterPayload = 64 << 10

// DeadLetter is what was sent and not taken, with its reason. It travels in the
// log beside the events of its request, so that it is as durable as they are, and
// the sink puts it into a table from which it can be read, corrected and replayed.
type DeadLetter struct {
	Tenant      string // of the API key
	Source      string // as far as it could be read
	Kind        Kind   // as far as it could be read; 0 is unknown
	KeyID       string // which API key sent it
	Path        string // of the request: by which protocol the payload is to be read
	ContentType string // how the payload is to be read
	Index       int64  // in its request; -1 when the payload is a request's whole body
	Code        Code
	Field       string
	Message     string
	Payload     []byte // as it was sent
	Truncated   bool   // the payload is cut at MaxDeadLetterPayload
}

// LetterOf keeps an accepted event that is not stored, as a client would send it.
func LetterOf(e *Event, code Code, message string) *DeadLetter {
	l := &DeadLetter{
		Tenant: e.Tenant, Source: e.Source, Kind: e.Kind, Path: "/api/v1/events", ContentType: "application/json",
		Index: -1, Code: code, Message: message,
	}
	var err error
	if l.Payload, err = MarshalJSON(e); err != nil { // of metadata that is no JSON, which Validate keeps out
		l.ContentType, l.Payload = ContentTypeRecord, AppendBinary(nil, e)
	}
	return l
}

// The second byte of a dead letter: whether it is cut, its kind, and whether its
// path follows the message. Records from before there were kinds and paths have 0
// for them.
const (
	letterTruncated byte = 1 << 0
	letterKind      byte = 7 << letterKindShift
	letterHasPath   byte = 1 << 4
	letterKindShift      = 1
	letterFlags          = letterTruncated | letterKind | letterHasPath
)

// AppendDeadLetter appends l in the log's encoding to dst and returns it. A longer
// payload than MaxDeadLetterPayload is cut, and marked as such.
func AppendDeadLetter(dst []byte, l *DeadLetter) []byte {
	payload, truncated := l.Payload, l.Truncated
	if len(payload) > MaxDeadLetterPayload {
		payload, truncated = payload[:MaxDeadLetterPayload], true
	}
	flags := byte(l.Kind) << letterKindShift & letterKind
	if truncated {
		flags |= letterTruncated
	}
	if l.Path != "" {
		flags |= letterHasPath
	}
	dst = append(dst, RecordDeadLetter, flags)
	for _, s := range [...]string{l.Tenant, l.Source, l.KeyID, l.ContentType, string(l.Code), l.Field, l.Message} {
		dst = appendString(dst, s)
	}
	if l.Path != "" {
		dst = appendString(dst, l.Path)
	}
	dst = binary.AppendVarint(dst, l.Index)
	dst = binary.AppendUvarint(dst, uint64(len(payload)))
	return append(dst, payload...)
}

// DecodeDeadLetter reads what AppendDeadLetter wrote into l, all of whose fields
// it sets. They share the bytes of b. It returns ErrCorrupt for any other input.
func DecodeDeadLetter(b []byte, l *DeadLetter) error {
	*l = DeadLetter{}
	if len(b) < 2 || b[0] != RecordDeadLetter || b[1] > letterFlags {
		return ErrCorrupt
	}
	l.Truncated = b[1]&letterTruncated != 0
	l.Kind = Kind(b[1] & letterKind >> letterKindShift)
	r := reader{b: b[2:]}
	l.Tenant, l.Source, l.KeyID, l.ContentType = r.string(), r.string(), r.string(), r.string()
	l.Code, l.Field, l.Message = Code(r.string()), r.string(), r.string()
	if b[1]&letterHasPath != 0 {
		l.Path = r.string()
	}
	l.Index = r.varint()
	l.Payload = r.bytes()
	if r.bad || len(r.b) != 0 || len(l.Payload) > MaxDeadLetterPayload || l.Kind > KindActivity {
		return ErrCorrupt
	}
	return nil
}
