package receive

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/event"
)

// maxErrors is the most errors that an answer lists. The dead letters have all.
const maxErrors = 1000

// EventError says why one event was rejected.
type EventError struct {
	Index   int        `json:"index"`
	ID      string     `json:"id"`
	Code    event.Code `json:"code"`
	Field   string     `json:"field,omitempty"`
	Message string     `json:"message"`
}

// Receipt says what became of a request's events: accepted + duplicates + the
// errors, listed and omitted, are the events of the request.
type Receipt struct {
	Accepted      int          `json:"accepted"`
	Duplicates    int          `json:"duplicates"`
	Errors        []EventError `json:"errors"`
	ErrorsOmitted int          `json:"errorsOmitted,omitempty"`
}

func (r *Receipt) rejected() int { return len(r.Errors) + r.ErrorsOmitted }

// problem is a problem document of RFC 9457, with the receipt as its members.
type problem struct {
	Type   string     `json:"type"`
	Title  string     `json:"title"`
	Status int        `json:"status"`
	Detail string     `json:"detail"`
	Code   event.Code `json:"code"`
	Receipt
}

// Overloaded refuses a request for which there is no memory at the moment.
var Overloaded = &Refusal{
	Status: http.StatusTooManyRequests, Code: "overloaded", RetryAfter: time.Second,
	Detail: "too many bytes of events are being taken in at the moment",
}

// CodeNoUsableEvent is the code of the refusal of a request all of whose events were
// rejected. They are dead letters, each with its reason.
const CodeNoUsableEvent event.Code = "no_usable_event"

// The refusals that say the same each time.
var (
	incomplete = &Refusal{
		Status: http.StatusBadRequest, Code: "incomplete_body",
		Detail: "the body ended before it was complete; nothing of it was kept",
	}
	emptyBody     = &Refusal{Status: http.StatusBadRequest, Code: event.CodeEmptyBody, Detail: "the body holds no event"}
	noUsableEvent = &Refusal{
		Status: http.StatusBadRequest, Code: CodeNoUsableEvent,
		Detail: "none of the events could be used; each has its reason among the errors",
	}
	logFull = &Refusal{
		Status: http.StatusServiceUnavailable, Code: "log_full", RetryAfter: 5 * time.Second,
		Detail: "what was accepted before has not been stored yet, and the log is full",
	}
	logFailed = &Refusal{
		Status: http.StatusServiceUnavailable, Code: "log_unavailable", RetryAfter: 5 * time.Second,
		Detail: "the events could not be made durable",
	}
)

func tooLarge(limit int64) *Refusal {
	return &Refusal{
		Status: http.StatusRequestEntityTooLarge, Code: "body_too_large",
		Detail: "the body is larger than " + strconv.FormatInt(limit, 10) + " bytes; send it in parts",
	}
}

// answer sends a protocol's answer.
func (r *Receiver) answer(c *gin.Context, p Protocol, m Message, o *Outcome) {
	if why := o.Refusal; why != nil {
		if why.RetryAfter > 0 {
			c.Header("Retry-After", strconv.Itoa(int((why.RetryAfter+time.Second-1)/time.Second)))
		}
		if why.Status == http.StatusUnauthorized {
			c.Header("WWW-Authenticate", "Bearer")
		}
	}
	a := p.Answer(m, o)
	r.metrics.answered(a.Status)
	c.Data(a.Status, a.ContentType, a.Body)
}

// Problem answers a refusal as a problem document with the receipt, for a Protocol
// whose specification says nothing about the body of an error.
func Problem(o *Outcome) Answer {
	if o.Errors == nil {
		o.Errors = []EventError{}
	}
	why := o.Refusal
	return jsonAnswer(why.Status, "application/problem+json", problem{
		Type: "about:blank", Title: http.StatusText(why.Status), Status: why.Status,
		Detail: why.Detail, Code: why.Code, Receipt: o.Receipt,
	})
}

func jsonAnswer(status int, contentType string, v any) Answer {
	b, err := json.Marshal(v)
	if err != nil {
		panic("receive: " + err.Error()) // The types have nothing that cannot be marshalled.
	}
	return Answer{Status: status, ContentType: contentType, Body: b}
}
