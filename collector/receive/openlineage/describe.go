package openlineage

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
)

// The most that is kept of what may be long.
const (
	maxFact    = 512
	maxTags    = 16
	maxDepends = 100
)

// describe sets what facets say about the run.
func describe(f *event.Fragment, m *message) {
	run, job := &m.Run.Facets.v, &m.Job.Facets.v
	kind := &job.JobType.v
	f.StepType = event.ClipName(cmp.Or(kind.JobType, kind.Integration))
	f.UserID = event.ClipName(userOf(run, job))
	task := &run.Airflow.v.TaskInstance.v
	f.TriggerType = event.ClipName(cmp.Or(run.AirflowDagRun.v.DagRun.v.RunType, run.Airflow.v.DagRun.v.RunType))
	f.Attempt = task.TryNumber.v
	if at, ok := parseTime(task.Queued); ok && at > 0 {
		f.QueuedTime = at
	}
	if f.Status == event.StatusFailed {
		f.ErrorMessage = event.Clip(run.ErrorMessage.v.Message, event.MaxMessageBytes)
		f.ErrorType = event.ClipName(cmp.Or(exception(f.ErrorMessage), m.EventType))
	}
	if m.EventType != "RUNNING" { // What a stream has written so far is something else each time.
		f.InputSize, f.OutputSize = sizes(m.Inputs.v, m.Outputs.v)
	}
	for _, up := range run.Dependencies.v.Upstream {
		if id := up.Run.RunID; id != "" && len(id) <= event.MaxNameBytes && len(f.DependsOn) < maxDepends && !slices.Contains(f.DependsOn, id) {
			f.DependsOn = append(f.DependsOn, id)
		}
	}
	f.Facts = facts(m)
	f.SortFacts()
}

// userOf returns whose run it is: the owner of the job that is said to be a user, as
// the specification recommends it to be written; who started the Spark application or
// the process; or an owner of no said type, as Airflow writes it.
func userOf(run *runFacets, job *jobFacets) string {
	owner := ""
	for _, o := range job.Ownership.v.Owners {
		if name, ok := strings.CutPrefix(o.Name, "user:"); ok && name != "" {
			return name
		}
		if owner == "" && !strings.Contains(o.Name, ":") {
			owner = o.Name
		}
	}
	if run.Spark.v.UserName != "" {
		return run.Spark.v.UserName
	}
	for _, name := range []string{"USER", "LOGNAME", "USERNAME"} {
		for _, v := range run.Environment.v.Variables {
			if v.Name == name && v.Value != "" {
				return v.Value
			}
		}
	}
	return owner
}

// thrown is the class at the start of a message, with its package.
var thrown = regexp.MustCompile(`^(?:[A-Za-z_$][\w$]*\.)*([A-Za-z_$][\w$]*(?:Exception|Error))(?:$|[:\s])`)

// exception returns the class of an exception that an error message begins with:
// failures of one class are one category.
func exception(message string) string {
	if m := thrown.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	return ""
}

// sizes returns the bytes read and written.
func sizes(inputs, outputs []lenient[dataset]) (in, out int64) {
	for i := range inputs {
		in = add(in, inputs[i].v.InputFacets.v.Statistics.v.Size.v)
	}
	for i := range outputs {
		out = add(out, outputs[i].v.OutputFacets.v.Statistics.v.Size.v)
	}
	return in, out
}

func add(sum, n int64) int64 {
	if n < 0 {
		return sum
	}
	return min(sum+min(n, event.MaxSize), event.MaxSize)
}

func facts(m *message) []event.Fact {
	run, kind := &m.Run.Facets.v, &m.Job.Facets.v.JobType.v
	out := []event.Fact{
		{Name: "namespace", Value: m.Job.Namespace},
		{Name: "job", Value: m.Job.Name},
		{Name: "producer", Value: m.Producer},
		{Name: "integration", Value: kind.Integration},
		{Name: "job_type", Value: kind.JobType},
		{Name: "processing_type", Value: kind.ProcessingType},
		{Name: "engine", Value: run.ProcessingEngine.v.Name},
		{Name: "engine_version", Value: run.ProcessingEngine.v.Version},
		{Name: "nominal_start", Value: run.NominalTime.v.Start},
		{Name: "nominal_end", Value: run.NominalTime.v.End},
	}
	for i, tag := range run.Tags.v.Tags {
		if i == maxTags {
			break
		}
		out = append(out, event.Fact{Name: "tag." + event.Clip(tag.Key, 64), Value: tag.Value})
	}
	out = slices.DeleteFunc(out, func(f event.Fact) bool { return f.Value == "" })
	for i := range out {
		out[i].Value = event.Clip(out[i].Value, maxFact)
	}
	return out
}
