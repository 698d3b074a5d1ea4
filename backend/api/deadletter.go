package api

import (
	"context"
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/flowgauge/flowgauge/backend/access"
)

// DeadLetters is what the endpoints need to read and discard what was refused, of
// the principal's tenant. Errors that a caller can do something about are Problems.
type DeadLetters interface {
	List(ctx context.Context, p access.Principal, f DeadLetterFilter, page DeadLetterPage) (letters []DeadLetter, next string, err error)
	Get(ctx context.Context, p access.Principal, id string) (DeadLetter, error)
	Discard(ctx context.Context, p access.Principal, id string) (DeadLetter, error)
}

// Replays sends dead letters again.
type Replays interface {
	Replay(ctx context.Context, p access.Principal, id string, o ReplayOrder) (ReplayResult, error)
	// ReplayAll tells each what became of every one, in order.
	ReplayAll(ctx context.Context, p access.Principal, f DeadLetterFilter, limit int, dryRun bool, each func(ReplayResult) error) (ReplaySummary, error)
}

// DeadLetterFilter restricts a list; what is empty restricts nothing.
type DeadLetterFilter struct {
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	Sources []string  `json:"source,omitempty"`
	Kinds   []string  `json:"kind,omitempty"`
	Codes   []string  `json:"code,omitempty"`
	Fields  []string  `json:"field,omitempty"`
	Keys    []string  `json:"key,omitempty"`
	States  []string  `json:"state,omitempty"`
	Search  string    `json:"search,omitempty"`
}

// DeadLetterPage says which part of a list is wanted.
type DeadLetterPage struct {
	Cursor  string
	Limit   int
	Payload int // the most bytes of each payload
}

// DeadLetter is one event, or one body of a request, that was refused.
type DeadLetter struct {
	ID          string    `json:"id"`
	ReceivedAt  time.Time `json:"receivedAt"`
	Source      string    `json:"source,omitempty"`
	Kind        string    `json:"kind,omitempty"`
	KeyID       string    `json:"keyId"`
	Path        string    `json:"path"`
	ContentType string    `json:"contentType"`
	Position    int       `json:"position"`
	Code        string    `json:"code"`
	Field       string    `json:"field,omitempty"`
	Message     string    `json:"message"`

	// Payload is text; what is none is in PayloadBase64.
	Payload       string `json:"payload,omitempty"`
	PayloadBase64 string `json:"payloadBase64,omitempty"`
	PayloadBytes  int    `json:"payloadBytes"`        // as it is kept
	Cut           bool   `json:"cut,omitempty"`       // a part of that is given
	Withheld      bool   `json:"withheld,omitempty"`  // the caller's policy keeps back what was sent and said of it
	Truncated     bool   `json:"truncated,omitempty"` // more was sent than is kept

	State     string       `json:"state"`
	ChangedAt time.Time    `json:"changedAt,omitzero"`
	ChangedBy string       `json:"changedBy,omitempty"`
	Events    []EventNamed `json:"events,omitempty"` // what it was replayed as
}

// EventNamed is an event's identity.
type EventNamed struct {
	Kind  string    `json:"kind"`
	ID    string    `json:"id"`
	Phase string    `json:"phase,omitempty"`
	Time  time.Time `json:"time"`
}

// SetPayload puts in as much of a payload as was read, of size bytes in all.
func (l *DeadLetter) SetPayload(b []byte, size int) {
	l.PayloadBytes, l.Cut = size, len(b) < size
	text := b
	for n := 0; l.Cut && n < utf8.UTFMax-1 && len(text) > 0 && !utf8.Valid(text); n++ {
		text = text[:len(text)-1] // The cut may have gone through a letter.
	}
	if utf8.Valid(text) {
		l.Payload = string(text)
		return
	}
	l.PayloadBase64 = base64.StdEncoding.EncodeToString(b)
}

// ReplayOrder says how a dead letter is sent again.
type ReplayOrder struct {
	Body        []byte // the corrected payload, or nil
	ContentType string // of it; "" is the letter's own
	AsEvents    bool   // it is in Flowgauge's own format, however the letter came
	DryRun      bool
}

// ReplayResult says what became of a dead letter.
type ReplayResult struct {
	ID         string       `json:"id"`
	State      string       `json:"state"`
	DryRun     bool         `json:"dryRun,omitempty"`
	Accepted   int          `json:"accepted"`
	Duplicates int          `json:"duplicates,omitempty"`
	Events     []EventNamed `json:"events,omitempty"`
	Fault      *ReplayFault `json:"fault,omitempty"` // why it was not taken
}

// ReplayFault is why a dead letter was not taken again.
type ReplayFault struct {
	Code   string        `json:"code"`
	Detail string        `json:"detail"`
	Errors []EventFault  `json:"errors,omitempty"`
	Status int           `json:"-"`
	Retry  time.Duration `json:"-"` // above 0: nothing is wrong with the payload
}

// EventFault is what is wrong with one event of a payload.
type EventFault struct {
	Index   int    `json:"index"`
	ID      string `json:"id,omitempty"`
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// ReplaySummary says what became of many.
type ReplaySummary struct {
	DryRun   bool           `json:"dryRun"`
	Matched  int            `json:"matched"`
	Accepted int            `json:"accepted"`
	Rejected int            `json:"rejected"`
	Codes    map[string]int `json:"codes"` // why they were rejected again
	More     bool           `json:"more"`  // than the limit
}
