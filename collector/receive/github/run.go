package github

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

// runDelivery is what is used of a workflow_run.
type runDelivery struct {
	Action string `json:"action"`
	Run    *struct {
		ID           int64  `json:"id"`
		RunAttempt   uint32 `json:"run_attempt"`
		RunNumber    int64  `json:"run_number"`
		Event        string `json:"event"`
		Path         string `json:"path"`
		WorkflowID   int64  `json:"workflow_id"`
		DisplayTitle string `json:"display_title"`
		Conclusion   string `json:"conclusion"`
		HeadBranch   string `json:"head_branch"`
		HeadSHA      string `json:"head_sha"`
		HTMLURL      string `json:"html_url"`
		CreatedAt    string `json:"created_at"`
		RunStartedAt string `json:"run_started_at"`
		UpdatedAt    string `json:"updated_at"`
		Actor        user   `json:"actor"`
		TriggerActor user   `json:"triggering_actor"`
	} `json:"workflow_run"`
	Repository repository `json:"repository"`
}

type user struct {
	Login string `json:"login"`
}

type repository struct {
	FullName string `json:"full_name"`
	HTMLURL  string `json:"html_url"`
}

// run makes an execution of a workflow run. When it has completed the start is made
// again, in case its own delivery was lost.
func (h *Hook) run(m receive.Message, body []byte, yield event.Yield) *receive.Refusal {
	var d runDelivery
	if err := json.Unmarshal(body, &d); err != nil {
		return webhook.Malformed("the payload is no workflow_run: " + err.Error())
	}
	switch {
	case d.Run == nil || d.Run.ID == 0:
		return webhook.Malformed("the payload has no workflow_run with an id")
	case d.Action != "requested" && d.Action != "in_progress" && d.Action != "completed":
		return webhook.Ignored("workflow_run is of use when it is requested, in_progress or completed, not " + event.Clip(d.Action, 64))
	case d.Run.Conclusion == "action_required":
		// The run waits for somebody's approval, and goes on as the same attempt.
		return webhook.Ignored("the run waits for approval, and has not run")
	}
	started, fault := d.started(m)
	if !made(m, &started, 0, yield, fault) || fault != nil || d.Action != "completed" {
		return nil
	}
	ended, fault := d.ended(started)
	made(m, &ended, 1, yield, fault)
	return nil
}

func (d *runDelivery) started(m receive.Message) (event.Event, *event.Error) {
	r, e := d.Run, newEvent(m, event.KindExecution)
	e.Status = event.StatusStarted
	e.Attempt = max(1, r.RunAttempt)
	e.ID = runID(d.Repository, r.HTMLURL, r.ID, e.Attempt)
	e.WorkflowID = d.workflow()
	e.TriggerType = event.ClipName(r.Event)
	if e.UserID = event.ClipName(r.TriggerActor.Login); e.UserID == "" {
		e.UserID = event.ClipName(r.Actor.Login)
	}
	e.Metadata = webhook.Metadata(d.facts(""))
	created, known := webhook.Time(r.CreatedAt)
	var ok bool
	if e.Time, ok = webhook.Time(r.RunStartedAt); !ok {
		e.Time, ok = created, known // Older servers do not say when an attempt started.
	}
	if !ok {
		return e, event.Missing("timestamp", "workflow_run has neither a run_started_at nor a created_at that is a time")
	}
	// A later attempt's created_at is when the first one was made.
	if known && e.Attempt == 1 && created <= e.Time {
		e.QueuedTime = created
	}
	return e, nil
}

func (d *runDelivery) ended(e event.Event) (event.Event, *event.Error) {
	if d.Run.Conclusion == "" {
		return e, event.Missing("status", "workflow_run has completed without a conclusion")
	}
	updated, ok := webhook.Time(d.Run.UpdatedAt)
	if !ok {
		return e, event.Missing("timestamp", "workflow_run has no updated_at that is a time")
	}
	e.Duration = max(0, updated-e.Time)
	e.Time = max(e.Time, updated)
	e.Metadata = webhook.Metadata(d.facts(d.Run.Conclusion))
	if e.Status = status(d.Run.Conclusion); e.Status == event.StatusFailed {
		e.ErrorType = event.ClipName(d.Run.Conclusion)
	} else {
		e.Status = event.StatusCompleted // An execution cannot be skipped; nothing failed.
	}
	return e, nil
}

// workflow names a workflow as GitHub does in workflow_ref, without the branch: a
// change of the file on another branch is the same workflow.
func (d *runDelivery) workflow() string {
	path, _, _ := strings.Cut(d.Run.Path, "@")
	if path == "" {
		path = strconv.FormatInt(d.Run.WorkflowID, 10)
	}
	return d.Repository.FullName + "/" + path
}

func (d *runDelivery) facts(conclusion string) []event.Fact {
	r := d.Run
	return []event.Fact{
		{Name: "repository", Value: d.Repository.FullName},
		{Name: "branch", Value: r.HeadBranch},
		{Name: "sha", Value: r.HeadSHA},
		{Name: "url", Value: r.HTMLURL},
		{Name: "title", Value: r.DisplayTitle},
		{Name: "run_number", Value: strconv.FormatInt(r.RunNumber, 10)},
		{Name: "conclusion", Value: conclusion},
	}
}

// runID names an attempt of a run. GitHub numbers runs within an installation.
func runID(repo repository, url string, run int64, attempt uint32) string {
	return host(repo, url) + "/runs/" + strconv.FormatInt(run, 10) + "/" + strconv.FormatUint(uint64(max(1, attempt)), 10)
}

func host(repo repository, url string) string {
	if h := webhook.Host(repo.HTMLURL, url); h != "" {
		return h
	}
	return "github.com"
}

// status maps a conclusion. What GitHub may add is taken for a failure, by its name.
func status(conclusion string) event.Status {
	switch conclusion {
	case "success", "neutral":
		return event.StatusCompleted
	case "skipped":
		return event.StatusSkipped
	}
	return event.StatusFailed // failure, cancelled, timed_out, startup_failure, stale, action_required
}
