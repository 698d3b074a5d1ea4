package query

import (
	"maps"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// rollupSource is a source that lies in a table of rollups and one of raw rows.
// Its branches of a statement all yield ts (Unix seconds), the dimensions and
// the measures under the same names, whatever level they read. What raw rows
// yield is what backend/rollup makes of them.
type rollupSource struct {
	kind       string // as bucket_versions and bucket_marks spell it
	rollup     string
	narrow     string                               // the table of its narrow rollups
	raw        func(b *binder, where string) string // a subquery of the rows that stand
	dimensions map[string]string                    // dimension to column
	detail     map[string]string                    // those that the rollups do not have
	measures   map[string]string                    // column of the rollup to its expression over a raw row
	aggregates map[string]aggregate
}

// aggregate is a figure of a group, from which metrics are computed.
type aggregate struct {
	sql      string // over measures, each of which goes by m_ and its name
	measures []string
	kind     cellKind
	merge    merge
	users    bool // needs rollups with users
	counts   bool // events: never negative, and rarely many
}

// merge says how the values of an aggregate in the buckets of a period make that
// of the period.
type merge uint8

const (
	apart merge = iota // they do not: distinct counts, states
	added
	greatest
)

// versionColumn is the one dimension that is a number.
const versionColumn = "workflow_version"

const (
	emptyHistogram  = "CAST(map(), 'Map(Int16, UInt64)')"
	singleHistogram = "map(duration_bucket, toUInt64(1))"
)

// standing reads the rows of a raw table that stand.
func standing(table string) func(*binder, string) string {
	return func(b *binder, where string) string { return b.rows(table, where, "") }
}

func summed(column string) aggregate {
	return aggregate{sql: "sum(m_" + column + ")", measures: []string{column}, kind: integers, merge: added}
}

func counted(column string) aggregate {
	a := summed(column)
	a.counts = true
	return a
}

func amount(column string) aggregate {
	return aggregate{sql: "sum(m_" + column + ")", measures: []string{column}, kind: decimals, merge: added}
}

func largest(column string) aggregate {
	return aggregate{sql: "max(m_" + column + ")", measures: []string{column}, kind: integers, merge: greatest}
}

func histogram(column string) aggregate {
	return aggregate{sql: "sumMap(m_" + column + ")", measures: []string{column}, kind: histograms, merge: added}
}

// only keeps a raw row's value where a condition holds.
func only(condition, value string) string {
	return "if(" + condition + ", " + value + ", 0)"
}

// waits are the measures of queue time and of further attempts over a raw row, as
// backend/rollup makes them.
func waits(terminal string, q schema.Queue) map[string]string {
	attempt := only(terminal+" AND attempt > 1", "attempt")
	return map[string]string{
		"queued": "toUInt64(" + q.Known + ")", "queue_ms": only(q.Known, q.Ms), "queue_max": only(q.Known, q.Ms),
		"queue_hist": "if(" + q.Known + ", map(" + schema.DurationBucket(q.Ms) + ", toUInt64(1)), " + emptyHistogram + ")",
		"retried":    "toUInt64(" + terminal + " AND attempt > 1)", "attempt_max": attempt,
	}
}

var waitAggregates = map[string]aggregate{
	"queued": summed("queued"), "queue": summed("queue_ms"), "longest_queue": largest("queue_max"), "queue_histogram": histogram("queue_hist"),
	"retried": summed("retried"), "attempts": largest("attempt_max"),
}

// with adds entries to a map that is made here.
func with[V any](m, more map[string]V) map[string]V {
	maps.Copy(m, more)
	return m
}

var rollupSources = map[metric.Source]rollupSource{
	metric.SourceExecutions: {
		kind: "execution", rollup: "rollup_executions", narrow: "narrow_executions", raw: standing("executions"),
		dimensions: map[string]string{
			metric.Workflow: "workflow_id", metric.Version: versionColumn, metric.TriggerType: "trigger_type",
			metric.ErrorType: "error_type", metric.User: "user_id",
		},
		detail: map[string]string{metric.Execution: "id"},
		measures: with(map[string]string{
			"started":       "toUInt64(status = 'started')",
			"completed":     "toUInt64(status = 'completed')",
			"failed":        "toUInt64(status = 'failed')",
			"duration_ms":   only("status != 'started'", "duration_ms"),
			"duration_max":  only("status != 'started'", "duration_ms"),
			"duration_hist": "if(status != 'started', " + singleHistogram + ", " + emptyHistogram + ")",
		}, waits("status != 'started'", schema.ExecutionQueue)),
		aggregates: with(map[string]aggregate{
			peopleAggregate: people(), "started": counted("started"), "completed": counted("completed"), "failed": counted("failed"),
			"duration": summed("duration_ms"), "longest": largest("duration_max"), "histogram": histogram("duration_hist"),
			"workflows": {
				sql:      "uniqExactIf(m_workflow_id, m_completed + m_failed > 0)",
				measures: []string{"workflow_id", "completed", "failed"}, kind: integers,
			},
			"users": {
				sql:      "uniqExactIf(m_user_id, m_user_id != '' AND m_completed + m_failed > 0)",
				measures: []string{"user_id", "completed", "failed"}, kind: integers, users: true,
			},
		}, waitAggregates),
	},
	metric.SourceSteps: {
		kind: "step", rollup: "rollup_steps", narrow: "narrow_steps", raw: func(b *binder, where string) string { return b.steps(where, "") },
		dimensions: map[string]string{
			metric.Workflow: "workflow_id", metric.Version: versionColumn, metric.Step: "step_id",
			metric.StepType: "step_type", metric.User: "user_id",
		},
		detail: map[string]string{metric.Execution: "execution_id"},
		measures: with(map[string]string{
			"completed":     "toUInt64(status = 'completed')",
			"failed":        "toUInt64(status = 'failed')",
			"skipped":       "toUInt64(status = 'skipped')",
			"duration_ms":   only("status != 'skipped'", "duration_ms"),
			"duration_max":  only("status != 'skipped'", "duration_ms"),
			"duration_hist": "if(status != 'skipped', " + singleHistogram + ", " + emptyHistogram + ")",
			"input_bytes":   "input_bytes", "output_bytes": "output_bytes", "credits": "credits",
		}, waits("status != 'skipped'", schema.StepQueue)),
		aggregates: with(map[string]aggregate{
			peopleAggregate: people(), "completed": counted("completed"), "failed": counted("failed"), "skipped": counted("skipped"),
			"duration": summed("duration_ms"), "longest": largest("duration_max"), "histogram": histogram("duration_hist"),
			"input": summed("input_bytes"), "output": summed("output_bytes"), "credits": amount("credits"),
		}, waitAggregates),
	},
	metric.SourceCosts: {
		kind: "cost", rollup: "rollup_costs", narrow: "narrow_costs", raw: standing("costs"),
		dimensions: map[string]string{
			metric.Workflow: "workflow_id", metric.ActionType: "action_type", metric.User: "user_id",
		},
		detail: map[string]string{metric.Execution: "execution_id"},
		measures: map[string]string{
			"records": "toUInt64(1)", "records_credited": "toUInt64(credits < 0 OR dollars < 0)", "credits": "credits", "dollars": "dollars",
			"credits_credited": "least(credits, toDecimal128(0, 15))",
			"dollars_credited": "least(dollars, toDecimal128(0, 15))",
			"dollars_derived":  "if(pricing = 'derived', dollars, toDecimal128(0, 15))",
			"records_unpriced": "toUInt64(pricing = 'unpriced')",
		},
		aggregates: map[string]aggregate{
			peopleAggregate: people(), "records": counted("records"), "records_credited": summed("records_credited"), "credits": amount("credits"), "dollars": amount("dollars"),
			"credits_credited": amount("credits_credited"), "dollars_credited": amount("dollars_credited"),
			"dollars_derived": amount("dollars_derived"), "records_unpriced": summed("records_unpriced"),
		},
	},
	metric.SourceActivity: {
		kind: "activity", rollup: "rollup_activity", narrow: "narrow_activity", raw: standing("activity"),
		dimensions: map[string]string{
			metric.Action: "action", metric.Resource: "resource", metric.User: "user_id",
		},
		measures: map[string]string{"actions": "toUInt64(1)", "duration_ms": "duration_ms"},
		aggregates: map[string]aggregate{
			peopleAggregate: people(), "actions": counted("actions"), "duration": summed("duration_ms"),
			"users": {
				sql:      "uniqExactIf(m_user_id, m_user_id != '' AND m_actions > 0)",
				measures: []string{"user_id", "actions"}, kind: integers, users: true,
			},
		},
	},
}

// plainSource is a source that is read from one table in its own way.
type plainSource struct {
	kind       string // whose raw rows it reads, or "" when it waits for no rollup
	label      string // in Meta.Sources
	dimensions map[string]string
	aggregates map[string]aggregate
}

var plainSources = map[metric.Source]plainSource{
	metric.SourceRunning: {
		kind: "execution", label: "spans",
		dimensions: map[string]string{
			metric.Workflow: "workflow_id", metric.Version: versionColumn,
			metric.TriggerType: "trigger_type", metric.User: "user_id",
		},
		aggregates: map[string]aggregate{"running": {sql: "sum(delta)", kind: integers}},
	},
	metric.SourceSessions: {
		label:      "raw",
		dimensions: map[string]string{metric.User: "user_id"},
		aggregates: map[string]aggregate{
			"sessions": {sql: "count()", kind: integers},
			"active":   {sql: "sum(active)", kind: integers},
		},
	},
	metric.SourceRolling: {
		kind:       "activity",
		dimensions: map[string]string{metric.Action: "action", metric.Resource: "resource"},
		aggregates: map[string]aggregate{
			"week":  {sql: "uniqExactIf(u, e - d < 7)", kind: integers},
			"month": {sql: "uniqExact(u)", kind: integers},
			"days":  {sql: "count()", kind: integers},
		},
	},
	metric.SourceIngest: {
		label: "ingest_log",
		dimensions: map[string]string{
			metric.EventSource: "source", metric.EventKind: "kind", metric.RejectCode: "code",
		},
		aggregates: map[string]aggregate{
			"accepted":  {sql: "sum(accepted)", kind: integers, merge: added},
			"duplicate": {sql: "sum(duplicates)", kind: integers, merge: added},
			"rejected":  {sql: "sum(rejected)", kind: integers, merge: added},
			"added":     {sql: "sum(added)", kind: integers, merge: added},
			"stored":    {sql: "sum(stored)", kind: integers, merge: added},
			"lag":       {sql: "sum(lag_ms_sum)", kind: integers, merge: added},
			"lag_max":   {sql: "max(lag_ms_max)", kind: integers, merge: greatest},
		},
	},
	metric.SourceVisible: {
		label:      "raw",
		dimensions: map[string]string{metric.EventSource: "source", metric.EventKind: "kind"},
		aggregates: map[string]aggregate{
			"visible":  {sql: "sum(m_visible)", kind: integers, merge: added},
			"replaced": {sql: "sum(m_replaced)", kind: integers, merge: added},
		},
	},
	metric.SourceConflicts: {
		label:      "raw",
		dimensions: map[string]string{metric.Workflow: "workflow_id", metric.User: "user_id", metric.Execution: "id"},
		aggregates: map[string]aggregate{
			"conflicts": {sql: "sum(m_conflicts)", kind: integers, merge: added},
			"span":      {sql: "max(m_span)", kind: integers, merge: greatest},
		},
	},
	metric.SourceDeadLetters: {
		label: "dead_letters",
		dimensions: map[string]string{
			metric.EventSource: "source", metric.EventKind: "kind", metric.RejectCode: "code", metric.DeadLetterState: "state",
		},
		aggregates: map[string]aggregate{"letters": {sql: "count()", kind: integers, merge: added}},
	},
	sourceRestated:       {aggregates: countedCauses()},
	metric.SourcePending: {label: "marks", aggregates: map[string]aggregate{"pending": {kind: integers}}},
}

// columns has the dimensions of raw rows.
func (s rollupSource) columns() map[string]string {
	if s.detail == nil {
		return s.dimensions
	}
	out := maps.Clone(s.dimensions)
	maps.Copy(out, s.detail)
	return out
}

// dimensionsOf and aggregatesOf look a source up in either table.
func dimensionsOf(s metric.Source) map[string]string {
	if r, ok := rollupSources[s]; ok {
		return r.dimensions
	}
	return plainSources[s].dimensions
}

func aggregatesOf(s metric.Source) map[string]aggregate {
	if r, ok := rollupSources[s]; ok {
		return r.aggregates
	}
	return plainSources[s].aggregates
}
