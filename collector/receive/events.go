package receive

import (
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// events serves POST /api/v1/events.
func (r *Receiver) events(c *gin.Context) {
	who, why := r.admit(c.Request)
	if why != nil {
		r.refuse(c, why, receipt{})
		return
	}
	format, contentType, why := formatOf(c.Request)
	if why != nil {
		r.refuse(c, why, receipt{})
		return
	}
	hold := &claim{budget: r.budget}
	defer hold.give()
	body, why := r.body(c.Writer, c.Request, hold)
	if why != nil {
		r.refuse(c, why, receipt{})
		return
	}
	b := getBatch()
	why = r.decode(b, *body, format, contentType, who, hold)
	if why == nil || len(b.places) > 0 {
		if failed := r.keep(c.Request, b); failed != nil {
			// The queue may still hold on to what it was given, so neither buffer
			// is used again.
			r.refuse(c, failed, receipt{})
			return
		}
	}
	switch {
	case why != nil:
		b.receipt.Errors = nil // The request is at fault, not one of its events.
		r.refuse(c, why, b.receipt)
	case b.receipt.Accepted == 0:
		r.refuse(c, &refusal{
			status: http.StatusBadRequest, code: "no_usable_event",
			detail: "none of the events could be used; each has its reason among the errors",
		}, b.receipt)
	default:
		r.acknowledge(c, b.receipt)
	}
	b.release()
	putBuffer(body)
}

// admit says who sends.
func (r *Receiver) admit(req *http.Request) (Principal, *refusal) {
	who, err := r.config.Auth(req)
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, ErrUnauthenticated):
		return who, &refusal{status: http.StatusUnauthorized, code: "unauthenticated", detail: ErrUnauthenticated.Error()}
	case errors.Is(err, ErrForbidden):
		return who, &refusal{status: http.StatusForbidden, code: "forbidden", detail: ErrForbidden.Error()}
	}
	r.config.Logger.Error("an API key could not be checked", "error", err)
	return who, &refusal{
		status: http.StatusServiceUnavailable, code: "auth_unavailable", retryAfter: 5,
		detail: "the API key could not be checked",
	}
}

// formatOf reads the content type. None is taken for JSON.
func formatOf(req *http.Request) (event.Format, string, *refusal) {
	header := req.Header.Get("Content-Type")
	if strings.TrimSpace(header) == "" {
		return event.FormatJSON, "application/json", nil
	}
	media, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	if err == nil && (charset == "" || charset == "utf-8" || charset == "utf8" || charset == "us-ascii") {
		switch media {
		case "application/json":
			return event.FormatJSON, media, nil
		case "application/x-ndjson", "application/ndjson":
			return event.FormatNDJSON, "application/x-ndjson", nil
		}
	}
	return 0, "", &refusal{
		status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		detail: "Content-Type must be application/json or application/x-ndjson, in UTF-8",
	}
}

// decode turns a body into records. A refusal is of the request as a whole; what
// is in the batch then is its dead letter, if it is worth one.
func (r *Receiver) decode(b *batch, body []byte, format event.Format, contentType string, who Principal, hold *claim) *refusal {
	// The records are no larger than the body: names are left out and numbers shrink.
	// Dead letters add a few names to each.
	if !hold.take(int64(2 * len(body))) {
		return overloaded
	}
	letter := event.DeadLetter{Tenant: who.Tenant, KeyID: who.KeyID, ContentType: contentType}
	opts := event.Options{Tenant: who.Tenant, CrossTenant: who.CrossTenant, MaxEvents: r.config.Limits.Events}
	fault := event.Decode(body, format, opts, func(index int, raw []byte, e *event.Event, err *event.Error) bool {
		if err == nil {
			b.accept(e)
			return true
		}
		letter.Source, letter.Index = e.Source, int64(index)
		letter.Code, letter.Field, letter.Message, letter.Payload = err.Code, err.Field, err.Message, raw
		b.reject(&letter, e.ID, e.Kind)
		return true
	})
	if fault == nil {
		return nil
	}
	b.reset()
	switch fault.Code {
	case event.CodeTooManyEvents:
		return &refusal{status: http.StatusRequestEntityTooLarge, code: fault.Code, detail: fault.Message + "; send them in parts"}
	case event.CodeEmptyBody:
		return emptyBody
	}
	letter.Source, letter.Index = "", -1
	letter.Code, letter.Field, letter.Message, letter.Payload = fault.Code, fault.Field, fault.Message, body
	b.reject(&letter, "", 0)
	return &refusal{status: http.StatusBadRequest, code: fault.Code, detail: fault.Message + "; nothing of the request was taken"}
}

// keep makes the batch durable.
func (r *Receiver) keep(req *http.Request, b *batch) *refusal {
	start := time.Now()
	err := r.config.Queue.Append(req.Context(), b.take())
	r.metrics.append.Observe(time.Since(start).Seconds())
	switch {
	case err == nil:
		r.metrics.count(&b.tally)
		return nil
	case errors.Is(err, queue.ErrFull):
		r.config.Logger.Warn("the log is full", "events", len(b.records))
		return logFull
	case req.Context().Err() != nil:
		return incomplete // The sender is gone, and reads no answer.
	}
	r.config.Logger.Error("events could not be made durable", "events", len(b.records), "error", err)
	return logFailed
}
