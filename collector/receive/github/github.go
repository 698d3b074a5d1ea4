// Package github takes GitHub's webhooks for Actions: workflow runs become
// executions, and their jobs steps.
//
//	workflow_run  requested, in_progress   an execution started
//	workflow_run  completed                an execution started, and ended
//	workflow_job  completed                a step: the job, or each of its steps
//	ping                                   200
//	anything else                          202, with the reason why it is of no use
//
// Every event that is made of a delivery is made of it alone, and its identity is the
// run's and its attempt's or the job's. So deliveries may come in any order, and again.
package github

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

// Path is followed by a hook's id.
const Path = "/api/v1/webhooks/github/"

// Level says what becomes a step.
type Level string

// The levels. A run's jobs and their steps are not both steps: their time would
// count twice.
const (
	Jobs  Level = "jobs"
	Steps Level = "steps"
)

// Hook is the protocol of one configured webhook.
type Hook struct {
	hook  webhook.Hook
	keys  [][]byte
	level Level
}

// New returns the protocol of a hook. The level is Jobs if it is empty.
func New(hook webhook.Hook, level Level) (*Hook, error) {
	if hook.ID == "" || hook.Tenant == "" || len(hook.Secrets) == 0 {
		return nil, errors.New("github: a hook needs an id, a tenant and a secret")
	}
	if level == "" {
		level = Jobs
	}
	if level != Jobs && level != Steps {
		return nil, fmt.Errorf("github: steps are %q or %q, not %q", Jobs, Steps, level)
	}
	h := &Hook{hook: hook, level: level}
	for _, s := range hook.Secrets {
		h.keys = append(h.keys, []byte(s))
	}
	return h, nil
}

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"

	signaturePrefix = "sha256="
)

// Admit takes the two content types that GitHub lets one choose from. Who sends is
// known when the body has been read; what cannot be signed is refused at once.
func (h *Hook) Admit(req *http.Request) (receive.Principal, string, *receive.Refusal) {
	who := receive.Principal{Tenant: h.hook.Tenant, KeyID: "github:" + h.hook.ID}
	if why := webhook.Admit(req); why != nil {
		return who, "", why
	}
	media, ok := receive.MediaType(req.Header.Get("Content-Type"))
	if !ok || media != mediaJSON && media != mediaForm {
		return who, "", &receive.Refusal{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type",
			Detail: "Content-Type must be application/json or application/x-www-form-urlencoded",
		}
	}
	if _, ok := signature(req); !ok {
		return who, "", webhook.Unsigned("X-Hub-Signature-256 is missing: set the hook's secret on GitHub")
	}
	return who, media, nil
}

func signature(req *http.Request) ([]byte, bool) {
	text, ok := strings.CutPrefix(req.Header.Get("X-Hub-Signature-256"), signaturePrefix)
	mac, err := hex.DecodeString(text)
	return mac, ok && err == nil && len(mac) == sha256.Size
}

// Decode checks the signature and makes events of the payload.
func (h *Hook) Decode(m receive.Message, yield event.Yield) *receive.Refusal {
	if mac, ok := signature(m.Request); !m.Replayed && (!ok || !webhook.HMAC(h.keys, mac, m.Body)) {
		return webhook.Unsigned("X-Hub-Signature-256 is not that of the body with the hook's secret")
	}
	body, copies := m.Body, len(m.Body) // the texts of the payload
	if m.ContentType == mediaForm {
		copies *= 3 // the form, and the payload out of it
	}
	if !m.Reserve(copies) {
		return receive.Overloaded
	}
	if m.ContentType == mediaForm {
		form, err := url.ParseQuery(string(body))
		if err != nil || !form.Has("payload") {
			return webhook.Malformed("the form has no field payload")
		}
		body = []byte(form.Get("payload"))
	}
	kind := m.Request.Header.Get("X-GitHub-Event")
	if m.Replayed {
		kind = kindOf(body)
	}
	switch kind {
	case "ping":
		return &receive.Refusal{Status: http.StatusOK, Code: "pong", Detail: "Flowgauge takes the events workflow_run and workflow_job"}
	case "workflow_run":
		return h.run(m, body, yield)
	case "workflow_job":
		return h.job(m, body, yield)
	case "":
		return &receive.Refusal{Status: http.StatusBadRequest, Code: event.CodeMissingField, Detail: "the header X-GitHub-Event is missing", Keep: true}
	default:
		return webhook.Ignored("events of type " + event.Clip(kind, 64) + " are of no use; workflow_run and workflow_job are")
	}
}

// kindOf tells the type of an event, which a header says, from its payload.
func kindOf(payload []byte) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) == nil && members["workflow_job"] != nil {
		return "workflow_job"
	}
	return "workflow_run"
}

// Answer says what became of a delivery.
func (h *Hook) Answer(_ receive.Message, o *receive.Outcome) receive.Answer { return webhook.Answer(o) }

// made yields an event that was made of a delivery. Its dead letter is all of the
// delivery as it came, for it to be sent again in the same way.
func made(m receive.Message, e *event.Event, index int, yield event.Yield, fault *event.Error) bool {
	if fault == nil {
		fault = event.Validate(e)
	}
	return yield(index, m.Body, e, fault)
}

func newEvent(m receive.Message, kind event.Kind) event.Event {
	return event.Event{
		Kind: kind, Tenant: m.Who.Tenant, Source: "github",
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
	}
}
