package github

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

// jobDelivery is what is used of a workflow_job.
type jobDelivery struct {
	Action string `json:"action"`
	Job    *struct {
		ID         int64  `json:"id"`
		RunID      int64  `json:"run_id"`
		RunAttempt uint32 `json:"run_attempt"`
		HTMLURL    string `json:"html_url"`
		CreatedAt  string `json:"created_at"`
		part
		Steps []struct {
			Number int64 `json:"number"`
			part
		} `json:"steps"`
	} `json:"workflow_job"`
	Repository repository `json:"repository"`
}

// part is what a job and a step have in common.
type part struct {
	Name        string `json:"name"`
	Conclusion  string `json:"conclusion"`
	StartedAt   string `json:"started_at"`
	CompletedAt string `json:"completed_at"`
}

// job makes a step of a job that has completed, or of each of its steps. A job
// without steps, such as one that was skipped, is a step on either level. The
// workflow and the user are not said here: they are those of the execution.
func (h *Hook) job(m receive.Message, body []byte, yield event.Yield) *receive.Refusal {
	var d jobDelivery
	if err := json.Unmarshal(body, &d); err != nil {
		return webhook.Malformed("the payload is no workflow_job: " + err.Error())
	}
	switch {
	case d.Job == nil || d.Job.ID == 0 || d.Job.RunID == 0:
		return webhook.Malformed("the payload has no workflow_job with an id and a run_id")
	case d.Action != "completed":
		return webhook.Ignored("workflow_job is of use when it is completed, not " + event.Clip(d.Action, 64))
	}
	j := d.Job
	e := newEvent(m, event.KindStep)
	e.ID = host(d.Repository, j.HTMLURL) + "/jobs/" + strconv.FormatInt(j.ID, 10)
	e.ExecutionID = runID(d.Repository, j.HTMLURL, j.RunID, j.RunAttempt)
	e.Attempt = max(1, j.RunAttempt)
	if h.level == Jobs || len(j.Steps) == 0 {
		e.StepID, e.StepType = event.ClipName(j.Name), "job"
		if queued, ok := webhook.Time(j.CreatedAt); ok {
			e.QueuedTime = queued
		}
		fault := j.into(&e, j.CreatedAt)
		made(m, &e, 0, yield, fault)
		return nil
	}
	if m.MaxEvents > 0 && len(j.Steps) > m.MaxEvents {
		return &receive.Refusal{Status: http.StatusRequestEntityTooLarge, Code: event.CodeTooManyEvents, Detail: "the job has too many steps"}
	}
	for i, s := range j.Steps {
		step := e
		step.ID += "/" + strconv.FormatInt(s.Number, 10)
		step.StepID, step.StepType = event.ClipName(j.Name+" / "+s.Name), "step"
		if !made(m, &step, i, yield, s.into(&step, j.StartedAt)) {
			break
		}
	}
	return nil
}

// into sets when a part ran and how it ended. What was skipped may say no times; it
// is where the whole was.
func (p *part) into(e *event.Event, otherwise string) *event.Error {
	if p.Conclusion == "" {
		return event.Missing("status", p.Name+" has no conclusion")
	}
	e.Status = status(p.Conclusion)
	end, ended := webhook.Time(p.CompletedAt)
	start, started := webhook.Time(p.StartedAt)
	if !started && e.Status == event.StatusSkipped {
		start, started = webhook.Time(otherwise)
	}
	switch {
	case !started && !ended:
		return event.Missing("startTime", p.Name+" has neither a started_at nor a completed_at that is a time")
	case !started:
		start = end // It was cancelled in the queue.
	case !ended || end < start: // Skipped jobs say that they started after they ended.
		end = start
	}
	e.Time, e.EndTime, e.Duration = start, end, end-start
	if e.QueuedTime > start {
		e.QueuedTime = event.NoTime
	}
	return nil
}
