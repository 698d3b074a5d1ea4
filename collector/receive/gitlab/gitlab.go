// Package gitlab takes GitLab's webhooks for CI/CD: pipelines become executions, and
// their jobs steps.
//
//	Pipeline Hook   the pipeline, and those of its jobs that have ended
//	Job Hook        the job, when it has ended
//	anything else   202, with the reason why it is of no use
//
// GitLab sends a hook whenever a pipeline changes its status, and a pipeline that has
// failed succeeds later, when a job of it is retried; a job that was skipped runs
// after all. So a hook is no event. What it says goes into the log as fragments, and
// package gather makes of all that are known one execution and one step for each job:
// hooks may come in any order, and again.
package gitlab

import (
	"encoding/json"
	"net/http"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

// Path takes hooks whose secret token is an API key. Followed by a slash and its id
// it takes those of a hook that is configured.
const Path = "/api/v1/webhooks/gitlab"

// Sender says who sends a hook.
type Sender interface {
	// Admit looks at the headers alone.
	Admit(req *http.Request) (receive.Principal, *receive.Refusal)
	// Check looks at the body too.
	Check(req *http.Request, body []byte) *receive.Refusal
}

// Hooks is the protocol of GitLab's webhooks.
type Hooks struct{ sender Sender }

// New returns the protocol.
func New(s Sender) *Hooks { return &Hooks{sender: s} }

// Admit takes JSON, which is all that GitLab sends.
func (h *Hooks) Admit(req *http.Request) (receive.Principal, string, *receive.Refusal) {
	const media = "application/json"
	if why := webhook.Admit(req); why != nil {
		return receive.Principal{}, "", why
	}
	if got, ok := receive.MediaType(req.Header.Get("Content-Type")); !ok || got != media {
		return receive.Principal{}, "", &receive.Refusal{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: "Content-Type must be application/json",
		}
	}
	who, why := h.sender.Admit(req)
	return who, media, why
}

// Decode makes fragments of a hook.
func (h *Hooks) Decode(m receive.Message, yield event.Yield) *receive.Refusal {
	if !m.Replayed {
		if why := h.sender.Check(m.Request, m.Body); why != nil {
			return why
		}
	}
	if !m.Reserve(len(m.Body)) { // its texts are copied out of it
		return receive.Overloaded
	}
	var kind struct {
		ObjectKind string `json:"object_kind"`
	}
	if err := json.Unmarshal(m.Body, &kind); err != nil {
		return webhook.Malformed("the hook is not JSON: " + err.Error())
	}
	switch kind.ObjectKind {
	case "pipeline":
		return pipelineHook(m, yield)
	case "build":
		return jobHook(m, yield)
	case "":
		return webhook.Malformed("the hook has no object_kind")
	}
	return webhook.Ignored("hooks of kind " + event.Clip(kind.ObjectKind, 64) + " are of no use; those of pipelines and jobs are")
}

// Answer says what became of a hook.
func (h *Hooks) Answer(_ receive.Message, o *receive.Outcome) receive.Answer {
	if o.Refusal == nil && o.Accepted+len(o.Errors)+o.ErrorsOmitted == 0 {
		o.Refusal = webhook.Ignored("nothing has begun or ended yet")
	}
	return webhook.Answer(o)
}

// say keeps a fragment, or what is wrong with it.
func say(m receive.Message, index int, f *event.Fragment, fault *event.Error, yield event.Yield) bool {
	f.Tenant, f.Source = m.Who.Tenant, "gitlab"
	f.SortFacts()
	if fault == nil {
		fault = event.ValidateFragment(f)
	}
	if fault == nil {
		return m.Fragment(f)
	}
	return yield(index, m.Body, &event.Event{ID: f.Run, Source: f.Source}, fault)
}
