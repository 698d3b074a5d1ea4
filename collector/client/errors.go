package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// ErrGaveUp says that every attempt failed until MaxElapsed was over. The error
// of the last attempt is wrapped beside it.
var ErrGaveUp = errors.New("gave up")

// StatusError is an answer that refuses a request as a whole.
type StatusError struct {
	Status     int           // of HTTP
	Code       string        // the collector's, "" when it names none
	Detail     string        // what the collector says
	Hint       string        // what to do about it
	RetryAfter time.Duration // what the collector asks for; 0 is nothing
}

// Error returns what happened and what to do.
func (e *StatusError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "collector answered %d %s", e.Status, http.StatusText(e.Status))
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Temporary says whether another attempt may succeed.
func (e *StatusError) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	// The body was cut on its way.
	return e.Status == http.StatusBadRequest && e.Code == codeIncomplete
}

const codeIncomplete = "incomplete_body"

// hints say what to do about an answer.
var hints = map[int]string{
	http.StatusBadRequest:            "the body is not what the collector expects: check that it is NDJSON, one event a line",
	http.StatusUnauthorized:          "the API key is missing, wrong, expired or revoked: the administrator's is in DATA-DIR/admin.key; pass one with --key-file or FLOWGAUGE_API_KEY",
	http.StatusForbidden:             "the API key is valid but may not write events: it needs the ingest scope, and the cross-tenant one to write for other tenants",
	http.StatusNotFound:              "nothing takes events at this URL: check host, port and path prefix (" + Path + " is appended)",
	http.StatusMethodNotAllowed:      "this URL takes no events: check host, port and path prefix, and whether a proxy redirects http to https",
	http.StatusRequestEntityTooLarge: "the request is larger than the collector's limit: send smaller batches or raise the limit of the collector or of the proxy before it",
	http.StatusUnsupportedMediaType:  "the collector does not take this content type or compression: is it a Flowgauge collector, and as new as this program?",
	http.StatusTooManyRequests:       "the key's rate limit or the collector's capacity is reached: send slower",
	http.StatusServiceUnavailable:    "the collector cannot store events at the moment: its log's disk may be full, or its queue away",
	http.StatusOK:                    "something other than a collector answers at this URL",
}

// statusError reads an answer that is no receipt: a problem document of RFC 9457
// or anything at all.
func statusError(res *http.Response, body []byte) *StatusError {
	e := &StatusError{Status: res.StatusCode, Hint: hints[res.StatusCode]}
	if res.StatusCode/100 == 3 {
		e.Hint = "the URL redirects to " + res.Header.Get("Location") + ": use that one"
	}
	e.RetryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	var problem struct {
		Code    string          `json:"code"`
		Title   string          `json:"title"`
		Detail  string          `json:"detail"`
		Message string          `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &problem) == nil {
		e.Code = problem.Code
		e.Detail = firstOf(problem.Detail, problem.Message, strings.Trim(string(problem.Error), `"`), problem.Title)
	} else if !strings.Contains(res.Header.Get("Content-Type"), "html") {
		e.Detail = strings.TrimSpace(string(body))
	}
	const most = 300
	if len(e.Detail) > most {
		e.Detail = strings.ToValidUTF8(e.Detail[:most], "") + "…"
	}
	return e
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
