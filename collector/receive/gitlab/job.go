package gitlab

import (
	"cmp"
	"encoding/json"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

// job is one of a Pipeline Hook's builds.
type job struct {
	ID             int64    `json:"id"`
	Name           string   `json:"name"`
	Stage          string   `json:"stage"`
	Status         string   `json:"status"`
	CreatedAt      string   `json:"created_at"`
	StartedAt      string   `json:"started_at"`
	FinishedAt     string   `json:"finished_at"`
	Duration       *float64 `json:"duration"`
	QueuedDuration *float64 `json:"queued_duration"`
	FailureReason  string   `json:"failure_reason"`
	AllowFailure   bool     `json:"allow_failure"`
	User           user     `json:"user"`

	attempt uint32
}

// jobHook says about a job what a Pipeline Hook does, and which attempt it is.
func jobHook(m receive.Message, yield event.Yield) *receive.Refusal {
	var h struct {
		ID             int64    `json:"build_id"`
		Name           string   `json:"build_name"`
		Stage          string   `json:"build_stage"`
		Status         string   `json:"build_status"`
		CreatedAt      string   `json:"build_created_at"`
		StartedAt      string   `json:"build_started_at"`
		FinishedAt     string   `json:"build_finished_at"`
		Duration       *float64 `json:"build_duration"`
		QueuedDuration *float64 `json:"build_queued_duration"`
		RetriesCount   *uint32  `json:"retries_count"`
		PipelineID     int64    `json:"pipeline_id"`
		User           user     `json:"user"`
		Project        project  `json:"project"`
		ProjectName    string   `json:"project_name"`
		Repository     struct {
			Homepage string `json:"homepage"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(m.Body, &h); err != nil {
		return webhook.Malformed("the hook is none of a job: " + err.Error())
	}
	if h.ID == 0 || h.PipelineID == 0 {
		return webhook.Malformed("the hook has no build_id and pipeline_id")
	}
	j := job{
		ID: h.ID, Name: h.Name, Stage: h.Stage, Status: h.Status, User: h.User,
		CreatedAt: h.CreatedAt, StartedAt: h.StartedAt, FinishedAt: h.FinishedAt,
		Duration: h.Duration, QueuedDuration: h.QueuedDuration,
	}
	if h.RetriesCount != nil && *h.RetriesCount < 1<<20 {
		j.attempt = *h.RetriesCount + 1
	}
	host := webhook.Host(h.Project.URL, h.Repository.Homepage)
	// Older versions say the project's path in its URL only.
	path := cmp.Or(h.Project.Path, webhook.Path(h.Project.URL), webhook.Path(h.Repository.Homepage), h.ProjectName)
	f, ended, fault := j.fragment(host, pipelineID(host, h.PipelineID), path)
	if ended || fault != nil {
		say(m, 0, &f, fault, yield)
	}
	return nil
}

// fragment returns what a hook says about a job, and whether it has ended.
func (j *job) fragment(host, pipeline, workflow string) (event.Fragment, bool, *event.Error) {
	f := event.Fragment{
		Run: cmp.Or(host, "gitlab") + "/jobs/" + strconv.FormatInt(j.ID, 10), Execution: pipeline, Workflow: workflow,
		StepID: event.ClipName(j.Name), StepType: event.ClipName(j.Stage), UserID: event.ClipName(j.User.Username),
		Attempt: j.attempt, Duration: event.NoDuration,
	}
	f.Status, _ = status(j.Status)
	if f.Status < event.StatusCompleted {
		return f, false, nil
	}
	created, hasCreated := webhook.Time(j.CreatedAt)
	start, started := webhook.Time(j.StartedAt)
	end, ended := webhook.Time(j.FinishedAt)
	if j.Duration != nil && f.Status != event.StatusSkipped {
		f.Duration = millis(*j.Duration)
	}
	switch {
	case ended:
	case started: // The job has ended, and when is not known yet.
		end = start + max(0, f.Duration)
	case hasCreated: // It was skipped, or canceled before it ran.
		end = created
	default:
		return f, true, event.Missing("startTime", "the job "+j.Name+" has no time")
	}
	f.Time = end
	if started {
		f.Start = start
		if j.QueuedDuration != nil {
			f.QueuedTime = max(0, start-millis(*j.QueuedDuration))
		}
	}
	return f, true, nil
}
