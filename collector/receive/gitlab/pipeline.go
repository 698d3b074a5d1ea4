package gitlab

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

// pipeline is what is used of a Pipeline Hook. Its variables are not: they may hold
// secrets.
type pipeline struct {
	Attributes *struct {
		ID             int64    `json:"id"`
		Name           string   `json:"name"`
		Ref            string   `json:"ref"`
		SHA            string   `json:"sha"`
		Tag            bool     `json:"tag"`
		Source         string   `json:"source"`
		Status         string   `json:"status"`
		URL            string   `json:"url"`
		CreatedAt      string   `json:"created_at"`
		FinishedAt     string   `json:"finished_at"`
		Duration       *float64 `json:"duration"`
		QueuedDuration *float64 `json:"queued_duration"`
	} `json:"object_attributes"`
	MergeRequest struct {
		IID int64 `json:"iid"`
	} `json:"merge_request"`
	User    user    `json:"user"`
	Project project `json:"project"`
	Builds  []job   `json:"builds"`
	Source  struct {
		Project    project `json:"project"`
		PipelineID int64   `json:"pipeline_id"`
	} `json:"source_pipeline"`
}

type user struct {
	Username string `json:"username"`
}

type project struct {
	Path string `json:"path_with_namespace"`
	URL  string `json:"web_url"`
}

func pipelineHook(m receive.Message, yield event.Yield) *receive.Refusal {
	var p pipeline
	if err := json.Unmarshal(m.Body, &p); err != nil {
		return webhook.Malformed("the hook is none of a pipeline: " + err.Error())
	}
	if p.Attributes == nil || p.Attributes.ID == 0 {
		return webhook.Malformed("the hook has no object_attributes with an id")
	}
	if m.MaxEvents > 0 && len(p.Builds) >= m.MaxEvents {
		return &receive.Refusal{Status: http.StatusRequestEntityTooLarge, Code: event.CodeTooManyEvents, Detail: "the pipeline has too many jobs"}
	}
	slices.SortFunc(p.Builds, func(a, b job) int { return cmp.Compare(a.ID, b.ID) })
	f, begun, fault := p.fragment()
	if (begun || fault != nil) && !say(m, 0, &f, fault, yield) {
		return nil
	}
	host := webhook.Host(p.Project.URL)
	for i := range p.Builds {
		f, ended, fault := p.Builds[i].fragment(host, f.Run, p.Project.Path)
		if (ended || fault != nil) && !say(m, i+1, &f, fault, yield) {
			return nil
		}
	}
	return nil
}

// fragment returns what the hook says about the pipeline, and whether it says that
// it has begun or ended.
func (p *pipeline) fragment() (event.Fragment, bool, *event.Error) {
	a := p.Attributes
	f := event.Fragment{
		Run: pipelineID(webhook.Host(p.Project.URL), a.ID), Workflow: p.Project.Path, Duration: event.NoDuration,
		UserID: event.ClipName(p.User.Username), TriggerType: event.ClipName(a.Source), Facts: p.facts(),
	}
	if p.Source.PipelineID != 0 {
		f.TriggerID = pipelineID(webhook.Host(p.Source.Project.URL, p.Project.URL), p.Source.PipelineID)
	}
	var known bool
	if f.Status, known = status(a.Status); !known {
		return f, false, nil // created, pending, manual …
	}
	created, ok := webhook.Time(a.CreatedAt)
	if !ok {
		return f, true, event.Missing("timestamp", "object_attributes has no created_at that is a time")
	}
	f.QueuedTime, f.Time = created, created
	if a.QueuedDuration != nil {
		f.Time += millis(*a.QueuedDuration)
	}
	if f.Status == event.StatusStarted {
		return f, true, nil
	}
	f.Start = f.Time
	f.Time = p.end(f.Start)
	if a.Duration != nil {
		f.Duration = millis(*a.Duration)
	}
	if f.Status == event.StatusFailed {
		f.ErrorType, f.ErrorMessage = p.failure()
	}
	return f, true, nil
}

// end returns when the pipeline ended; one that was skipped does not say it.
func (p *pipeline) end(start int64) int64 {
	if at, ok := webhook.Time(p.Attributes.FinishedAt); ok {
		return at
	}
	for i := range p.Builds {
		if at, ok := webhook.Time(p.Builds[i].FinishedAt); ok {
			start = max(start, at)
		}
	}
	return start
}

// failure returns the category and the text of a failure: the reason of the first job
// that failed and may not, and which jobs these are.
func (p *pipeline) failure() (category, text string) {
	category = p.Attributes.Status
	if category == "failed" {
		var jobs []string
		for _, j := range p.Builds {
			if j.Status != "failed" || j.AllowFailure {
				continue
			}
			reason := cmp.Or(j.FailureReason, "failed")
			if len(jobs) == 0 {
				category = reason
			}
			jobs = append(jobs, j.Name+": "+reason)
		}
		text = strings.Join(jobs, "\n")
	}
	return event.ClipName(category), event.Clip(text, event.MaxMessageBytes)
}

func (p *pipeline) facts() []event.Fact {
	a := p.Attributes
	kind := "branch"
	if a.Tag {
		kind = "tag"
	}
	out := []event.Fact{
		{Name: "repository", Value: p.Project.Path},
		{Name: kind, Value: a.Ref},
		{Name: "sha", Value: a.SHA},
		{Name: "url", Value: a.URL},
		{Name: "name", Value: a.Name},
	}
	if p.MergeRequest.IID != 0 {
		out = append(out, event.Fact{Name: "merge_request", Value: strconv.FormatInt(p.MergeRequest.IID, 10)})
	}
	out = slices.DeleteFunc(out, func(f event.Fact) bool { return f.Value == "" })
	for i := range out {
		out[i].Value = event.Clip(out[i].Value, 1024)
	}
	return out
}

// pipelineID names a pipeline. GitLab numbers them within an installation.
func pipelineID(host string, id int64) string {
	return cmp.Or(host, "gitlab") + "/pipelines/" + strconv.FormatInt(id, 10)
}

// status maps what GitLab says of pipelines and jobs; what has not begun, or waits
// for somebody, has none.
func status(s string) (event.Status, bool) {
	switch s {
	case "running", "canceling":
		return event.StatusStarted, true
	case "success":
		return event.StatusCompleted, true
	case "failed", "canceled":
		return event.StatusFailed, true
	case "skipped":
		return event.StatusSkipped, true
	}
	return 0, false
}

// millis converts a number of seconds; one that cannot be is none.
func millis(seconds float64) int64 {
	if !(seconds > 0 && seconds < event.MaxDuration/1000) {
		return 0
	}
	return int64(seconds*1000 + 0.5)
}
