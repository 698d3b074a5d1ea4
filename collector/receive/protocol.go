package receive

import (
	"context"
	"net/http"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
)

// Protocol is one way in which events are sent over HTTP: Flowgauge's own, or that
// of a standard. What all have in common is the Receiver's: it reads and unpacks the
// body within its budget, joins duplicates, asks for the key's limits, and makes
// everything durable before Answer is called.
type Protocol interface {
	// Admit says who sends a request and what its content type is, from the
	// headers alone; the body has not been read. Most call Receiver.Authenticate.
	Admit(req *http.Request) (who Principal, contentType string, why *Refusal)

	// Decode takes the unpacked body apart and yields its events, good and bad, in
	// order. Events that it makes itself have passed event.Validate. A Refusal is of
	// the request as a whole; what was yielded before it is dropped.
	Decode(m Message, yield event.Yield) *Refusal

	// Answer says what the sender is told. Everything in the outcome is durable.
	Answer(m Message, o *Outcome) Answer
}

// Message is a request whose body has been read.
type Message struct {
	Request     *http.Request
	Who         Principal
	ContentType string
	Body        []byte // unpacked; nil when the request was refused before
	MaxEvents   int    // the most that may be yielded, fragments included

	// Replayed says that a dead letter is sent again by somebody who may: there are
	// no headers, and Decode does not ask who sends it.
	Replayed bool

	// Fragment takes what a body says about a run that is no event yet, as yield
	// takes events. It has passed event.ValidateFragment.
	Fragment func(f *event.Fragment) bool

	// Ignore counts an event that is well and of no use, for the answer.
	Ignore func()

	room *room // nil without a Receiver
}

// Reserve asks for n bytes that Decode is about to keep besides the body, such as
// texts that it makes. When it returns false there is no room, and Decode returns
// Overloaded.
func (m Message) Reserve(n int) bool { return m.room == nil || m.room.take(n) }

// Outcome is what became of a request. Without a Refusal, Accepted + Duplicates
// + len(Errors) + ErrorsOmitted are its events and fragments, and at least one was
// accepted unless Decode found nothing to keep.
type Outcome struct {
	Refusal *Refusal // nil when events were taken
	Ignored int      // by Message.Ignore
	Receipt
}

// Answer is an HTTP answer.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
}

// Refusal is why a request is not taken.
type Refusal struct {
	Status     int
	Code       event.Code
	Detail     string
	RetryAfter time.Duration // 0 is not to be tried again as it is
	Field      string        // at fault, for the dead letter
	Keep       bool          // the body becomes a dead letter: it may be mended and replayed
}

// Limit says whether a key may send so many events now. A duration above 0 is how
// long the sender has to wait; an error means that it could not be found out, and
// the events are taken.
type Limit func(ctx context.Context, who Principal, events int) (time.Duration, error)
