package receive

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/event"
)

// maxErrors is the most errors that an answer lists. The dead letters have all.
const maxErrors = 1000

// eventError says why one event was rejected.
type eventError struct {
	Index   int        `json:"index"`
	ID      string     `json:"id"`
	Code    event.Code `json:"code"`
	Field   string     `json:"field,omitempty"`
	Message string     `json:"message"`
}

// receipt says what became of a request's events: accepted + duplicates + the
// errors, listed and omitted, are the events of the request.
type receipt struct {
	Accepted      int          `json:"accepted"`
	Duplicates    int          `json:"duplicates"`
	Errors        []eventError `json:"errors"`
	ErrorsOmitted int          `json:"errorsOmitted,omitempty"`
}

// problem is a problem document of RFC 9457, with the receipt as its members.
type problem struct {
	Type   string     `json:"type"`
	Title  string     `json:"title"`
	Status int        `json:"status"`
	Detail string     `json:"detail"`
	Code   event.Code `json:"code"`
	receipt
}

// refusal is why a request is not taken.
type refusal struct {
	status     int
	code       event.Code
	detail     string
	retryAfter int // seconds; 0 is not to be tried again as it is
}

// The refusals that say the same each time.
var (
	overloaded = &refusal{
		status: http.StatusTooManyRequests, code: "overloaded", retryAfter: 1,
		detail: "too many bytes of events are being taken in at the moment",
	}
	incomplete = &refusal{
		status: http.StatusBadRequest, code: "incomplete_body",
		detail: "the body ended before it was complete; nothing of it was kept",
	}
	emptyBody = &refusal{status: http.StatusBadRequest, code: event.CodeEmptyBody, detail: "the body holds no event"}
	logFull   = &refusal{
		status: http.StatusServiceUnavailable, code: "log_full", retryAfter: 5,
		detail: "what was accepted before has not been stored yet, and the log is full",
	}
	logFailed = &refusal{
		status: http.StatusServiceUnavailable, code: "log_unavailable", retryAfter: 5,
		detail: "the events could not be made durable",
	}
)

func tooLarge(limit int64) *refusal {
	return &refusal{
		status: http.StatusRequestEntityTooLarge, code: "body_too_large",
		detail: "the body is larger than " + strconv.FormatInt(limit, 10) + " bytes; send it in parts",
	}
}

// refuse answers that nothing was taken.
func (r *Receiver) refuse(c *gin.Context, why *refusal, rest receipt) {
	if why.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(why.retryAfter))
	}
	if why.status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	if rest.Errors == nil {
		rest.Errors = []eventError{}
	}
	r.write(c, why.status, "application/problem+json", problem{
		Type: "about:blank", Title: http.StatusText(why.status), Status: why.status,
		Detail: why.detail, Code: why.code, receipt: rest,
	})
}

// acknowledge answers that everything in the receipt is durable.
func (r *Receiver) acknowledge(c *gin.Context, rest receipt) {
	if len(rest.Errors) > 0 {
		r.write(c, http.StatusMultiStatus, "application/json", rest)
		return
	}
	b := make([]byte, 0, 64)
	b = append(b, `{"accepted":`...)
	b = strconv.AppendInt(b, int64(rest.Accepted), 10)
	b = append(b, `,"duplicates":`...)
	b = strconv.AppendInt(b, int64(rest.Duplicates), 10)
	b = append(b, `,"errors":[]}`...)
	r.metrics.answered(http.StatusAccepted)
	c.Data(http.StatusAccepted, "application/json", b)
}

func (r *Receiver) write(c *gin.Context, status int, contentType string, v any) {
	r.metrics.answered(status)
	b, err := json.Marshal(v)
	if err != nil {
		// Unreachable: the types have nothing that cannot be marshalled.
		r.config.Logger.Error("an answer could not be written", "error", err)
	}
	c.Data(status, contentType, b)
}
