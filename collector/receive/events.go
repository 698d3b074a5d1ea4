package receive

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// Handle returns the handler of a protocol.
func (r *Receiver) Handle(p Protocol) gin.HandlerFunc {
	return func(c *gin.Context) { r.handle(c, p) }
}

func (r *Receiver) handle(c *gin.Context, p Protocol) {
	m := Message{Request: c.Request, MaxEvents: r.config.Limits.Events}
	var why *Refusal
	again := replayOf(c.Request.Context())
	if again != nil {
		m.Who, m.ContentType, m.Replayed = again.Who, again.ContentType, true
	} else if m.Who, m.ContentType, why = p.Admit(c.Request); why != nil {
		r.answer(c, p, m, &Outcome{Refusal: why})
		return
	}
	if again == nil && time.Now().UnixNano() < r.full.Load() {
		if c.Request.ContentLength < 0 {
			// Else net/http waits for the body, of which it cannot know how much is to come.
			c.Header("Connection", "close")
		}
		r.answer(c, p, m, &Outcome{Refusal: logFull})
		return
	}
	hold := &claim{budget: r.budget}
	defer hold.give()
	body, why := r.body(c.Writer, c.Request, hold)
	if why != nil {
		if again != nil {
			again.Outcome.Refusal = why
		}
		r.answer(c, p, m, &Outcome{Refusal: why})
		return
	}
	m.Body = *body
	b := getBatch()
	why = r.decode(b, p, m, hold)
	if again != nil {
		if r.replay(c, p, m, b, why) {
			b.release()
			putBuffer(body)
		}
		return
	}
	if why == nil || len(b.places) > 0 {
		if failed := r.keep(c.Request, b, m.Who); failed != nil {
			// The queue may still hold on to what it was given, so neither buffer
			// is used again.
			r.answer(c, p, m, &Outcome{Refusal: failed})
			return
		}
	}
	if why != nil {
		b.receipt.Errors = nil // The request is at fault, not one of its events.
	} else if b.receipt.Accepted == 0 && b.receipt.rejected() > 0 {
		why = noUsableEvent
	}
	r.answer(c, p, m, &Outcome{Refusal: why, Ignored: b.ignored, Receipt: b.receipt})
	b.release()
	putBuffer(body)
}

// Authenticate says who sends, for a Protocol whose senders have API keys.
func (r *Receiver) Authenticate(req *http.Request) (Principal, *Refusal) {
	who, err := r.config.Auth(req)
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, ErrUnauthenticated):
		return who, &Refusal{Status: http.StatusUnauthorized, Code: "unauthenticated", Detail: ErrUnauthenticated.Error()}
	case errors.Is(err, ErrForbidden):
		return who, &Refusal{Status: http.StatusForbidden, Code: "forbidden", Detail: ErrForbidden.Error()}
	}
	r.config.Logger.ErrorContext(req.Context(), "an API key could not be checked", "error", err)
	return who, &Refusal{
		Status: http.StatusServiceUnavailable, Code: "auth_unavailable", RetryAfter: 5 * time.Second,
		Detail: "the API key could not be checked",
	}
}

// decode turns a body into records. A refusal is of the request as a whole; what
// is in the batch then is its dead letter, if it is worth one.
func (r *Receiver) decode(b *batch, p Protocol, m Message, hold *claim) *Refusal {
	var ok bool
	if m.room, ok = newRoom(hold, len(m.Body)); !ok {
		return Overloaded
	}
	letter := event.DeadLetter{Tenant: m.Who.Tenant, KeyID: m.Who.KeyID, Path: m.Request.URL.Path, ContentType: m.ContentType}
	m.Ignore = func() { b.ignored++ }
	m.Fragment = func(f *event.Fragment) bool {
		from := len(b.buf)
		b.fragment(f)
		ok = m.room.take(len(b.buf)-from) && ok
		return ok
	}
	why := p.Decode(m, func(index int, raw []byte, e *event.Event, err *event.Error) bool {
		from := len(b.buf)
		if err == nil {
			b.accept(e)
		} else {
			letter.Source, letter.Kind, letter.Index = e.Source, e.Kind, int64(index)
			letter.Code, letter.Field, letter.Message, letter.Payload = err.Code, err.Field, err.Message, raw
			b.reject(&letter, e.ID, e.Kind)
		}
		ok = m.room.take(len(b.buf)-from) && ok
		return ok
	})
	switch {
	case !ok:
		why = Overloaded
	case why == nil:
		return nil
	}
	b.reset()
	if why.Keep {
		letter.Source, letter.Kind, letter.Index = "", 0, -1
		letter.Code, letter.Field, letter.Message, letter.Payload = why.Code, why.Field, why.Detail, m.Body
		b.reject(&letter, "", 0)
	}
	return why
}

// keep makes the batch durable, if the key may send so much.
func (r *Receiver) keep(req *http.Request, b *batch, who Principal) *Refusal {
	records := b.take()
	if len(records) == 0 {
		return nil
	}
	if wait, err := r.config.Limit(req.Context(), who, len(b.places)); err != nil {
		r.config.Logger.WarnContext(req.Context(), "a key's limit could not be checked; its events are taken", "key_id", who.KeyID, "error", err)
	} else if wait > 0 {
		return &Refusal{
			Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: wait,
			Detail: "the API key has sent more than its limit allows",
		}
	}
	start := time.Now()
	err := r.config.Queue.Append(req.Context(), records)
	r.metrics.append.Observe(time.Since(start).Seconds())
	switch {
	case err == nil:
		r.metrics.count(&b.tally)
		return nil
	case errors.Is(err, queue.ErrFull):
		r.config.Logger.WarnContext(req.Context(), "the log is full", "events", len(records))
		r.full.Store(time.Now().Add(fullFor).UnixNano())
		return logFull
	case req.Context().Err() != nil:
		return incomplete // The sender is gone, and reads no answer.
	}
	r.config.Logger.ErrorContext(req.Context(), "events could not be made durable", "events", len(records), "error", err)
	return logFailed
}
