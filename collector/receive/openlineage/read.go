package openlineage

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
)

// read returns what an event says about a run; run is false for one that says
// nothing about any.
func (c Config) read(raw []byte) (f event.Fragment, run bool, fault *event.Error) {
	f.Duration = event.NoDuration
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
			return f, false, &event.Error{Code: event.CodeNotAnObject, Message: "an event is a JSON object"}
		}
		return f, false, &event.Error{Code: event.CodeWrongType, Message: "no event of OpenLineage: " + err.Error()}
	}
	if m.Run == nil {
		if m.Job == nil && m.Dataset == nil {
			return f, false, event.Missing("run", "an event needs a run, a job or a dataset")
		}
		return f, false, nil
	}
	f.Run = m.Run.RunID
	switch {
	case f.Run == "":
		return f, true, event.Missing("run.runId", "a run event needs run.runId")
	case m.Job == nil || m.Job.Namespace == "" || m.Job.Name == "":
		return f, true, event.Missing("job", "a run event needs job.namespace and job.name")
	}
	if fault = state(&f, &m); fault == nil {
		fault = c.place(&f, &m)
	}
	describe(&f, &m)
	return f, true, fault
}

// state sets what happened to the run, and when. When a job reports that it still
// runs is nothing that is kept: a stream may do so every minute for years, and would
// be a fragment each time.
func state(f *event.Fragment, m *message) *event.Error {
	switch m.EventType {
	case "START":
		f.Status = event.StatusStarted
	case "COMPLETE":
		f.Status = event.StatusCompleted
	case "FAIL", "ABORT":
		f.Status = event.StatusFailed
	case "RUNNING", "OTHER", "":
	default:
		return &event.Error{
			Code: event.CodeInvalidStatus, Field: "eventType",
			Message: "eventType must be START, RUNNING, COMPLETE, FAIL, ABORT or OTHER, not " + event.Clip(m.EventType, 64),
		}
	}
	at, ok := parseTime(m.EventTime)
	if !ok {
		return &event.Error{
			Code: event.CodeInvalidTime, Field: "eventTime",
			Message: "eventTime must be a date and time such as 2020-12-09T23:37:31.081Z, not " + event.Clip(m.EventTime, 64),
		}
	}
	if m.EventType != "RUNNING" {
		f.Time = at
	}
	return nil
}

// layouts are ISO 8601's that clients write. Python's isoformat leaves out the
// offset of a time that has none, which the specification does not allow; it is
// taken for UTC. Java leaves out seconds that are 0.
var layouts = [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"}

func parseTime(text string) (int64, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// place says whether the run is an execution or a step of one: of the run at the
// top where the facet names it, else of the parent's.
func (c Config) place(f *event.Fragment, m *message) *event.Error {
	f.Workflow = c.workflow(m.Job.jobName)
	facets := &m.Run.Facets.v
	raw := facets.Parent
	if absent(raw) {
		raw = facets.ParentRun
	}
	if absent(raw) {
		return nil
	}
	var p parent
	if err := json.Unmarshal(raw, &p); err != nil {
		return &event.Error{Code: event.CodeWrongType, Field: "run.facets.parent", Message: "the facet parent is none: " + err.Error()}
	}
	run, job := p.Run.RunID, p.Job
	if root := p.Root.v; root.Run.RunID != "" && root.Job.Name != "" {
		run, job = root.Run.RunID, root.Job
	}
	if run == "" || job.Name == "" {
		// Left out, the step would be taken for an execution.
		return event.Missing("run.facets.parent", "the facet parent needs run.runId, job.namespace and job.name")
	}
	if run == f.Run {
		return nil
	}
	f.Execution, f.Workflow, f.StepID = run, c.workflow(job), m.Job.Name
	return nil
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// workflow names a workflow. A job's name is unique within its namespace.
func (c Config) workflow(j jobName) string {
	if !c.JobNamespace || j.Namespace == "" {
		return j.Name
	}
	return j.Namespace + "/" + j.Name
}
