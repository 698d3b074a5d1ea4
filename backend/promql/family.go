package promql

import (
	"slices"

	"github.com/prometheus/common/model"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// family is a metric as PromQL knows it, and where its figures come from. A group of
// the catalogue's figures is one series for each of the family's parts.
type family struct {
	name   string
	kind   model.MetricType
	help   string
	unit   string
	labels []string // dimensions of the catalogue
	parts  []part
	// presence counts what a series is there for, the part itself if it is empty. A
	// group in which it is 0 has no series: 0 is a figure of workflows that cost
	// nothing, but not of those without costs.
	presence  []string
	seconds   bool // figures are milliseconds in the catalogue
	histogram bool // of the durations; the part is their sum
}

// part is one series of a group.
type part struct {
	status string // value of the label status; empty is none
	metric string // of the catalogue
}

const statusLabel = "status"

var (
	executionLabels = []string{metric.Workflow, metric.Version, metric.TriggerType, metric.ErrorType}
	runningLabels   = []string{metric.Workflow, metric.Version, metric.TriggerType}
	stepLabels      = []string{metric.Workflow, metric.Version, metric.Step, metric.StepType}
	costLabels      = []string{metric.Workflow, metric.ActionType}
	activityLabels  = []string{metric.Action, metric.Resource}

	endedExecutions = []part{{"completed", "executions_completed"}, {"failed", "executions_failed"}}
	endedSteps      = []part{{"completed", "steps_completed"}, {"failed", "steps_failed"}, {"skipped", "steps_skipped"}}
)

// families are all metrics. Those by user are apart, so that only who asks for users
// has a series for each: they know no more than quarters of an hour.
var families = slices.Concat(
	[]family{
		counter("flowgauge_executions_total", "Executions that ended.", executionLabels, endedExecutions...),
		counter("flowgauge_executions_started_total", "Executions whose start was reported.", runningLabels, part{"", "executions_started"}),
		{name: "flowgauge_executions_running", kind: model.MetricTypeGauge, help: "Executions that run, of those that reported their start. A series is there while something runs.", labels: runningLabels, parts: []part{{"", "executions_running"}}},
	},
	durations("flowgauge_execution_duration_seconds", "Durations of the executions that ended.", executionLabels, "duration_sum", "executions"),
	[]family{counter("flowgauge_steps_total", "Steps, those that were skipped included.", stepLabels, endedSteps...)},
	durations("flowgauge_step_duration_seconds", "Durations of the steps that ran.", stepLabels, "step_duration_sum", "steps"),
	[]family{
		counted("flowgauge_step_input_bytes_total", "bytes", "Bytes that the steps took in.", stepLabels, "step_input_bytes", "steps", "steps_skipped"),
		counted("flowgauge_step_output_bytes_total", "bytes", "Bytes that the steps gave out.", stepLabels, "step_output_bytes", "steps", "steps_skipped"),
	},
	costs("flowgauge_cost_records_total", "flowgauge_cost_dollars", "flowgauge_cost_credits", costLabels),
	[]family{
		counter("flowgauge_actions_total", "What users did.", activityLabels, part{"", "actions"}),
		inSeconds(counted("flowgauge_action_duration_seconds_total", "seconds", "Durations of what users did, added up.", activityLabels, "action_duration", "actions")),
	},
	[]family{
		counter("flowgauge_user_executions_total", "Executions that ended, by user.", []string{metric.User, metric.Workflow}, endedExecutions...),
		inSeconds(counted("flowgauge_user_execution_duration_seconds_total", "seconds", "Durations of the executions that ended, added up by user.", []string{metric.User, metric.Workflow}, "duration_sum", "executions")),
	},
	costs("flowgauge_user_cost_records_total", "flowgauge_user_cost_dollars", "flowgauge_user_cost_credits", []string{metric.User, metric.Workflow, metric.ActionType}),
	[]family{counter("flowgauge_user_actions_total", "What users did, by user.", []string{metric.User, metric.Action, metric.Resource}, part{"", "actions"})},
)

func counter(name, help string, labels []string, parts ...part) family {
	return family{name: name, kind: model.MetricTypeCounter, help: help, labels: labels, parts: parts}
}

// counted is a sum that may be 0, beside the number of what it is of.
func counted(name, unit, help string, labels []string, of string, presence ...string) family {
	f := counter(name, help, labels, part{"", of})
	f.unit, f.presence = unit, presence
	return f
}

func inSeconds(f family) family {
	f.seconds = true
	return f
}

// durations are a native histogram, and its sum and count as series of their own.
func durations(name, help string, labels []string, sum, count string) []family {
	f := inSeconds(counted(name, "seconds", help, labels, sum, count))
	f.kind, f.histogram = model.MetricTypeHistogram, true
	total := inSeconds(counted(name+"_sum", "seconds", help+" Added up.", labels, sum, count))
	number := counter(name+"_count", help+" Counted.", labels, part{"", count})
	return []family{f, total, number}
}

// costs may fall, counters may not: what is charged and what is credited are two.
func costs(records, dollars, credits string, labels []string) []family {
	const n = "cost_records"
	return []family{
		counter(records, "Cost records.", labels, part{"", n}),
		counted(dollars+"_charged_total", "dollars", "Dollars of the cost records with a positive amount.", labels, "dollars_charged", n),
		counted(dollars+"_credited_total", "dollars", "Dollars given back: the negative amounts, as a positive figure.", labels, "dollars_credited", n),
		counted(credits+"_charged_total", "", "Credits of the cost records with a positive amount.", labels, "credits_charged", n),
		counted(credits+"_credited_total", "", "Credits given back: the negative amounts, as a positive figure.", labels, "credits_credited", n),
	}
}

// byUser reports whether the family has the users' label.
func (f *family) byUser() bool { return slices.Contains(f.labels, metric.User) }

// metrics are the catalogue's that are read, the parts first.
func (f *family) metrics() []string {
	var out []string
	for _, p := range f.parts {
		out = append(out, p.metric)
	}
	return append(out, f.presence...)
}

// hasStatus reports whether series have the label status.
func (f *family) hasStatus() bool { return f.parts[0].status != "" }

// gauge reports whether the family is a state.
func (f *family) gauge() bool { return f.kind == model.MetricTypeGauge }
