package cloudevents

import (
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
)

// CDEvents (cdevents.dev) tell a pipeline's run in several events: it was queued, it
// started, it finished. The one that says how a run ended does not say when it began, so
// each is kept as a fragment, and package gather makes executions of them.
//
// A task's run within a pipeline names the run that it is part of, never the pipeline,
// which a fragment has to know; such events are ignored. One without a pipeline is a run
// of its own.

const (
	cdPipelineRun = "dev.cdevents.pipelinerun."
	cdTaskRun     = "dev.cdevents.taskrun."
)

// predicate returns what has happened to a run: queued, started or finished.
func predicate(typ string) string {
	for _, subject := range []string{cdPipelineRun, cdTaskRun} {
		if rest, ok := strings.CutPrefix(typ, subject); ok {
			predicate, _, _ := strings.Cut(rest, ".")
			return predicate
		}
	}
	return ""
}

// isCDEvent says whether events of a type are those of runs.
func isCDEvent(typ string) bool {
	switch predicate(typ) {
	case "queued", "started", "finished":
		return true
	}
	return false
}

// cdEvent makes a fragment of a CDEvent. It returns neither when the event is of no use.
func (e *envelope) cdEvent(typ, tenant string) (*event.Fragment, *event.Error) {
	get := func(path ...string) string {
		value := dig(e.data, path)
		if value == nil || value[0] != '"' {
			return ""
		}
		return plain(value)
	}
	content := func(name string) string { return get("subject", "content", name) }
	if dig(e.data, []string{"subject", "content", "pipelineRun", "id"}) != nil {
		return nil, nil
	}
	source := e.text(attrSource)
	if s := get("subject", "source"); s != "" {
		source = s
	}
	id := get("subject", "id")
	if id == "" {
		return nil, event.Missing("subject.id", "a CDEvent has a subject with an id")
	}
	at, err := e.cdTime(get("context", "timestamp"))
	if err != nil {
		return nil, err
	}
	f := &event.Fragment{
		Tenant: tenant, Source: event.ClipName(e.text(attrSource)), Run: qualify(source, id), Time: at, Duration: event.NoDuration,
		Workflow: event.ClipName(content("pipelineName")), TriggerType: "cdevents",
	}
	if strings.HasPrefix(typ, cdTaskRun) {
		f.Workflow = event.ClipName(content("taskName"))
	}
	if f.Workflow == "" {
		f.Workflow = event.ClipName(id)
	}
	for _, name := range []string{"uri", "url"} {
		if value := content(name); value != "" {
			f.Facts = append(f.Facts, event.Fact{Name: "url", Value: event.ClipName(value)})
			break
		}
	}
	if chain := get("context", "chainId"); chain != "" {
		f.Facts = append(f.Facts, event.Fact{Name: "chain_id", Value: event.ClipName(chain)})
	}
	switch predicate(typ) {
	case "queued":
		f.QueuedTime = at
	case "started":
		f.Status = event.StatusStarted
	case "finished":
		switch outcome := content("outcome"); outcome {
		case "success":
			f.Status = event.StatusCompleted
		case "":
			return nil, event.Missing("outcome", "what has finished has an outcome")
		default: // failure, error, cancel
			f.Status = event.StatusFailed
			f.ErrorType = event.ClipName(outcome)
			f.ErrorMessage = event.Clip(content("errors"), event.MaxMessageBytes)
		}
	}
	f.SortFacts()
	return f, event.ValidateFragment(f)
}

// cdTime is when it happened: by the event's own context, or by the envelope.
func (e *envelope) cdTime(own string) (int64, *event.Error) {
	if own == "" {
		own = e.text(attrTime)
	}
	t, err := time.Parse(time.RFC3339Nano, own)
	if err != nil {
		return 0, &event.Error{Code: event.CodeInvalidTime, Field: "timestamp", Message: "context.timestamp must be a date and time of RFC 3339, not " + event.Clip(own, 48)}
	}
	return t.UnixMilli(), nil
}
