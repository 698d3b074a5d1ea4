// Package webhook is what the webhooks of different platforms have in common: hooks
// that are configured with a secret, answers that people read in the platform's
// list of deliveries, and the reading of what platforms write.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// MaxBody is the largest body that GitHub and GitLab send, 25 MiB each. A hook's
// sender is known only when its body has been read, so no more is read.
const MaxBody = 25 << 20

// Hook is an endpoint for one platform's deliveries to one tenant.
type Hook struct {
	ID      string // part of its URL; it names the hook in dead letters
	Tenant  string
	Secrets []string // any of them will do, so that they can be rotated
}

// HMAC says whether mac is the HMAC-SHA256 of a message by one of the keys. It takes
// the same time whichever it is.
func HMAC(keys [][]byte, mac []byte, message ...[]byte) bool {
	found := false
	for _, key := range keys {
		h := hmac.New(sha256.New, key)
		for _, part := range message {
			h.Write(part)
		}
		found = hmac.Equal(h.Sum(nil), mac) || found
	}
	return found
}

// Secret says whether a text is one of the secrets. Their hashes are compared, which
// have one length, so that time tells nothing about theirs.
func Secret(secrets []string, text string) bool {
	given := sha256.Sum256([]byte(text))
	found := false
	for _, s := range secrets {
		want := sha256.Sum256([]byte(s))
		found = hmac.Equal(want[:], given[:]) || found
	}
	return found
}

// Admit refuses what no platform sends: packed bodies, whose signature would be of
// something else, and ones that are too large.
func Admit(req *http.Request) *receive.Refusal {
	switch encoding := strings.ToLower(strings.TrimSpace(req.Header.Get("Content-Encoding"))); {
	case encoding != "" && encoding != "identity":
		return &receive.Refusal{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_encoding",
			Detail: "webhooks are taken as they were signed, without Content-Encoding",
		}
	case req.ContentLength > MaxBody:
		return &receive.Refusal{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: "the body is larger than 25 MiB"}
	}
	req.Body = http.MaxBytesReader(nil, req.Body, MaxBody) // It may not say how long it is.
	return nil
}

// Unsigned refuses a request that nobody who knows the secret has sent.
func Unsigned(detail string) *receive.Refusal {
	return &receive.Refusal{Status: http.StatusUnauthorized, Code: "unauthenticated", Detail: detail}
}

// Malformed refuses a body that cannot be taken apart. It is kept.
func Malformed(detail string) *receive.Refusal {
	return &receive.Refusal{Status: http.StatusBadRequest, Code: event.CodeMalformedJSON, Detail: detail, Keep: true}
}

// Ignored answers what is well and of no use: platforms stop sending to an endpoint
// that refuses.
func Ignored(reason string) *receive.Refusal {
	return &receive.Refusal{Status: http.StatusAccepted, Code: "ignored", Detail: reason}
}

// Answer says what became of a delivery, in JSON.
func Answer(o *receive.Outcome) receive.Answer {
	if o.Errors == nil {
		o.Errors = []receive.EventError{} // An empty list is a list.
	}
	status, body := http.StatusAccepted, any(o.Receipt)
	switch {
	case o.Refusal != nil && o.Refusal.Status < http.StatusMultipleChoices:
		status = o.Refusal.Status
		body = struct {
			Accepted int        `json:"accepted"`
			Code     event.Code `json:"code"`
			Reason   string     `json:"reason"`
		}{0, o.Refusal.Code, o.Refusal.Detail}
	case o.Refusal != nil:
		return receive.Problem(o)
	case len(o.Errors) > 0:
		status = http.StatusMultiStatus
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic("webhook: " + err.Error()) // The types have nothing that cannot be marshalled.
	}
	return receive.Answer{Status: status, ContentType: "application/json", Body: text}
}
