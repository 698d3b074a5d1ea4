package query

import (
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/criticalpath"
)

const (
	// stepMargin is how far from its execution a step is looked for.
	stepMargin = 24 * 60 * 60 * 1000
	// maxExecutionSteps is how many steps of one execution are read.
	maxExecutionSteps = 100_000
)

// stepRow is an attempt of a step, with what it inherits from its execution.
type stepRow struct {
	criticalpath.Step
	execution, stepType, status string
	workflow, user              string
	workflowVersion             int64
	duration, input, output     int64
	credits                     event.Decimal
}

// steps renders the steps of executions that the caller may see, execution by
// execution in order of time. within restricts them by time, which by execution_id.
func (q *question) steps(b *binder, within, which string) string {
	return fmt.Sprintf(`SELECT
    execution_id AS execution, id, step_id AS step, step_type AS type, toString(status) AS state,
    toUnixTimestamp64Milli(time) AS start, toUnixTimestamp64Milli(end_time) AS ended, toUnixTimestamp64Milli(queued_time) AS queued,
    duration_ms AS duration, toInt64(attempt) AS tries, depends_on AS depends,
    workflow_id AS workflow, toInt64(workflow_version) AS revision, user_id AS owner,
    input_bytes AS input, output_bytes AS output, credits AS amount
FROM %s AS r
WHERE 1%s
ORDER BY execution, start, id
LIMIT %d BY execution
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		b.steps("tenant = {tenant:String} AND "+within, which), q.conditions(b, rollupSources[metric.SourceSteps].dimensions), maxExecutionSteps+1)
}

// stepColumns are what steps yields.
type stepColumns struct {
	execution, id, step, stepType, status, workflow, user         proto.ColStr
	start, end, queued, duration, attempt, version, input, output proto.ColInt64
	credits                                                       proto.ColDecimal128
	depends                                                       *proto.ColArr[string]
}

func (c *stepColumns) results() proto.Results {
	c.depends = proto.NewArray(new(proto.ColStr))
	return proto.Results{
		{Name: "execution", Data: &c.execution},
		{Name: "id", Data: &c.id},
		{Name: "step", Data: &c.step},
		{Name: "type", Data: &c.stepType},
		{Name: "state", Data: &c.status},
		{Name: "start", Data: &c.start},
		{Name: "ended", Data: &c.end},
		{Name: "queued", Data: &c.queued},
		{Name: "duration", Data: &c.duration},
		{Name: "tries", Data: &c.attempt},
		{Name: "depends", Data: c.depends},
		{Name: "workflow", Data: &c.workflow},
		{Name: "revision", Data: &c.version},
		{Name: "owner", Data: &c.user},
		{Name: "input", Data: &c.input},
		{Name: "output", Data: &c.output},
		{Name: "amount", Data: &c.credits},
	}
}

func (c *stepColumns) row(i int) stepRow {
	s := stepRow{
		Step: criticalpath.Step{
			ID: c.id.Row(i), StepID: c.step.Row(i), Queued: criticalpath.Unknown,
			Start: c.start[i], End: c.end[i], Attempt: uint32(c.attempt[i]), DependsOn: c.depends.Row(i),
		},
		execution: c.execution.Row(i), stepType: c.stepType.Row(i), status: c.status.Row(i),
		workflow: c.workflow.Row(i), user: c.user.Row(i), workflowVersion: c.version[i],
		duration: c.duration[i], input: c.input[i], output: c.output[i],
		credits: event.Decimal{Lo: c.credits[i].Low, Hi: int64(c.credits[i].High)},
	}
	s.Failed = s.status == event.StatusFailed.String()
	if c.queued[i] > 0 { // An absent time is stored as 1970.
		s.Queued = min(c.queued[i], s.Start)
	}
	if s.End < s.Start {
		s.End = s.Start + s.duration
	}
	return s
}

// queue is how long a step waited before it began, if that is known.
func (s *stepRow) queue() *float64 {
	if s.Queued == criticalpath.Unknown {
		return nil
	}
	ms := float64(s.Start - s.Queued)
	return &ms
}
