package rollup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// kind describes how raw rows of one kind become rollup rows. Everything else
// about recomputation is the same for all kinds.
type kind struct {
	name   string   // as in bucket_marks
	raw    string   // raw table
	rollup string   // rollup table
	narrow string   // table of its narrow rollups
	dims   []string // dimensions without the user
	source func(where string) string
	// measures in the order of the rollup's columns: how raw rows give them, and
	// how rollup rows are merged into a wider level.
	measures []measure
}

type measure struct {
	name  string
	raw   string
	merge string
}

func sum(name, raw string) measure {
	return measure{name: name, raw: "sum(" + raw + ")", merge: "sum(" + name + ")"}
}

func count(name, condition string) measure {
	return measure{name: name, raw: "countIf(" + condition + ")", merge: "sum(" + name + ")"}
}

// table reads the rows that stand: FINAL applies replacement and deletion.
func table(name string) func(string) string {
	return func(where string) string {
		return "(SELECT * FROM " + name + " FINAL WHERE " + where + ")"
	}
}

// terminal is what a duration is taken of; a started execution and a skipped
// step have none.
const (
	terminalExecution = "status != 'started'"
	terminalStep      = "status != 'skipped'"
)

func durations(terminal string) []measure {
	return []measure{
		{"duration_ms", "sumIf(duration_ms, " + terminal + ")", "sum(duration_ms)"},
		{"duration_max", "maxIf(duration_ms, " + terminal + ")", "max(duration_max)"},
		{
			"duration_hist",
			"sumMapIf(map(duration_bucket, toUInt64(1)), " + terminal + ")",
			"sumMap(duration_hist)",
		},
	}
}

// waits are the measures of queue time and of further attempts; absent is the first.
func waits(terminal string, q schema.Queue) []measure {
	return []measure{
		count("queued", q.Known),
		{"queue_ms", "sumIf(" + q.Ms + ", " + q.Known + ")", "sum(queue_ms)"},
		{"queue_max", "maxIf(" + q.Ms + ", " + q.Known + ")", "max(queue_max)"},
		{
			"queue_hist",
			"sumMapIf(map(" + schema.DurationBucket(q.Ms) + ", toUInt64(1)), " + q.Known + ")",
			"sumMap(queue_hist)",
		},
		count("retried", terminal+" AND attempt > 1"),
		{"attempt_max", "maxIf(attempt, " + terminal + " AND attempt > 1)", "max(attempt_max)"},
	}
}

func credited(name string) measure {
	return measure{
		name:  name + "_credited",
		raw:   "sumIf(" + name + ", " + name + " < 0)",
		merge: "sum(" + name + "_credited)",
	}
}

// kinds in the order of recomputation: executions first, because what they
// change may mark buckets of steps.
var kinds = []kind{
	{
		name: "execution", raw: "executions", rollup: "rollup_executions", narrow: "narrow_executions",
		dims:   []string{"workflow_id", "workflow_version", "trigger_type", "error_type"},
		source: table("executions"),
		measures: slices.Concat([]measure{
			count("started", "status = 'started'"),
			count("completed", "status = 'completed'"),
			count("failed", "status = 'failed'"),
		}, durations(terminalExecution), waits(terminalExecution, schema.ExecutionQueue)),
	},
	{
		name: "step", raw: "steps", rollup: "rollup_steps", narrow: "narrow_steps",
		dims:   []string{"workflow_id", "workflow_version", "step_id", "step_type"},
		source: schema.ResolvedSteps,
		measures: slices.Concat([]measure{
			count("completed", "status = 'completed'"),
			count("failed", "status = 'failed'"),
			count("skipped", "status = 'skipped'"),
		}, durations(terminalStep), waits(terminalStep, schema.StepQueue), []measure{
			sum("input_bytes", "input_bytes"),
			sum("output_bytes", "output_bytes"),
			sum("credits", "credits"),
		}),
	},
	{
		name: "cost", raw: "costs", rollup: "rollup_costs", narrow: "narrow_costs",
		dims:   []string{"workflow_id", "action_type"},
		source: table("costs"),
		measures: []measure{
			{name: "records", raw: "count()", merge: "sum(records)"},
			{name: "records_credited", raw: "countIf(credits < 0 OR dollars < 0)", merge: "sum(records_credited)"},
			sum("credits", "credits"),
			credited("credits"),
			sum("dollars", "dollars"),
			credited("dollars"),
			{name: "dollars_derived", raw: "sumIf(dollars, pricing = 'derived')", merge: "sum(dollars_derived)"},
			{name: "records_unpriced", raw: "countIf(pricing = 'unpriced')", merge: "sum(records_unpriced)"},
		},
	},
	{
		name: "activity", raw: "activity", rollup: "rollup_activity", narrow: "narrow_activity",
		dims:   []string{"action", "resource"},
		source: table("activity"),
		measures: []measure{
			{name: "actions", raw: "count()", merge: "sum(actions)"},
			sum("duration_ms", "duration_ms"),
		},
	},
}

// The bound values of every statement here. A bucket is a tenant and a start in
// Unix seconds.
//
//	from, to          the span of the buckets, in Unix seconds; whole days
//	minutes, quarters, days
//	                  the buckets that are rewritten
//	odd_minutes, odd_quarters, odd_days
//	                  those of them whose new version has that bit 1
//	version           this recomputation's version, the lowest bit of its slot 0
//
// Buckets are looked up in sets, from which ClickHouse also finds the granules to
// read: a few minutes of a long span cost no more than those minutes.

// in tests whether a row's bucket is in a bound list.
func in(bucket, list string) string {
	return fmt.Sprintf("(tenant, %s) IN (SELECT b.1, toDateTime(b.2, 'UTC') FROM (SELECT arrayJoin({%s:Array(Tuple(String, Int64))}) AS b))", bucket, list)
}

// own times are compared with milliseconds: compared with a DateTime, the last
// second of a day is lost, because the fraction is rounded up.
const inSpan = "time >= fromUnixTimestamp64Milli({from:Int64} * 1000, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64} * 1000, 'UTC')"

// bucketsInSpan is the same for tables of buckets.
const bucketsInSpan = "bucket >= toDateTime({from:Int64}, 'UTC') AND bucket < toDateTime({to:Int64}, 'UTC')"

const (
	minuteOfTime  = "toStartOfMinute(time)"
	quarterOfTime = "toStartOfFifteenMinutes(time)"
	dayOfBucket   = "toDateTime(toStartOfDay(bucket, 'UTC'), 'UTC')"
)

func (k kind) columns() string {
	names := append([]string{"tenant", "level", "bucket"}, k.dims...)
	names = append(names, "user_id")
	for _, m := range k.measures {
		names = append(names, m.name)
	}
	return strings.Join(append(names, "version"), ", ")
}

// insert rewrites the buckets of a list at one level. Columns of the source go
// by r, because some names are the result's too.
func (k kind) insert(level, bucket, list, user, source string, expression func(measure) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s)\nSELECT r.tenant AS tenant, '%s' AS level, %s AS start, %s, %s AS user", k.rollup, k.columns(), level, bucket, strings.Join(k.dims, ", "), user)
	for _, m := range k.measures {
		fmt.Fprintf(&b, ",\n    %s AS agg_%s", expression(m), m.name)
	}
	fmt.Fprintf(&b, ",\n    bitOr({version:UInt64}, toUInt64(%s)) AS new_version\nFROM %s AS r\nGROUP BY tenant, start, %s, user",
		in("start", "odd_"+list), source, strings.Join(k.dims, ", "))
	return b.String()
}

// fromRaw recomputes buckets from raw rows.
func (k kind) fromRaw(level, bucket, list, user string) string {
	return k.insert(level, bucket, list, user, k.source(inSpan+" AND "+in(bucket, list)), func(m measure) string { return m.raw })
}

// fromLevel merges the buckets of a finer level into a wider one.
func (k kind) fromLevel(level, bucket, list, user, finer, where string) string {
	source := fmt.Sprintf("(SELECT * FROM %s WHERE level = '%s' AND %s AND %s)", k.rollup, finer, bucketsInSpan, where)
	return k.insert(level, bucket, list, user, source, func(m measure) string { return m.merge })
}

// rewritten restricts a level to what this recomputation has just written.
const rewritten = "bitAnd(version, bitNot(toUInt64(1))) = {version:UInt64}"

// current restricts the quarters of the rewritten days to those that will count
// when this recomputation is published: the rewritten ones, and the current
// version of all others.
func (k kind) current(level string) string {
	return fmt.Sprintf(`%s AND if(%s, %s, (tenant, bucket, version) IN (
        SELECT tenant, bucket, max(version) FROM bucket_versions
        WHERE kind = '%s' AND level = '%s' AND %s AND %s
        GROUP BY tenant, bucket
    ))`, in(dayOfBucket, "days"), in("bucket", "quarters"), rewritten, k.name, level, bucketsInSpan, in(dayOfBucket, "days"))
}

// statements returns what rewrites all levels of a list of buckets, in order.
func (k kind) statements() []string {
	const noUser = "''"
	return []string{
		k.fromRaw("minute", minuteOfTime, "minutes", noUser),
		k.fromRaw("quarter_user", quarterOfTime, "quarters", "r.user_id"),
		k.fromLevel("quarter", "r.bucket", "quarters", noUser, "quarter_user", rewritten+" AND "+in("bucket", "quarters")),
		k.fromLevel("day_user", "toDateTime(toStartOfDay(r.bucket, 'UTC'), 'UTC')", "days", "r.user_id", "quarter_user", k.current("quarter_user")),
		k.fromLevel("day", "toDateTime(toStartOfDay(r.bucket, 'UTC'), 'UTC')", "days", noUser, "quarter", k.current("quarter")),
		k.narrowed(),
	}
}

// consequences returns what changed rows ask for besides.
func (k kind) consequences() []string {
	if k.name == "execution" {
		return []string{markDependents, writeSpans}
	}
	return nil
}

// changedExecutions are the executions of the changed minutes.
var changedExecutions = "SELECT tenant, id FROM executions WHERE " + inSpan + " AND " + in(minuteOfTime, "minutes")

// markDependents marks the buckets of steps that take attributes from the
// executions of the changed minutes. Deleted rows count too: a step whose
// execution went away loses what it took from it. The mark is higher than all
// slots of this recomputation's version, and that is the last one allocated.
var markDependents = `INSERT INTO bucket_marks (tenant, kind, minute, marked_at)
SELECT DISTINCT tenant, 'step', minute, bitOr({version:UInt64}, 4095) + 1 FROM inheriting_steps
WHERE (tenant, execution_id) IN (` + changedExecutions + `)`

// writeSpans rewrites the spans of the executions in the changed minutes. An
// execution that reported its start more than once runs from the first; the
// other starts are deleted, as is one whose start was taken back.
var writeSpans = `INSERT INTO execution_spans (tenant, started_at, id, ended_at, workflow_id, workflow_version, user_id, trigger_type, version, deleted)
SELECT
    tenant, start.1 AS started_at, id, ended_at, workflow_id, workflow_version, user_id, trigger_type,
    {version:UInt64} AS version, start.2 = 1 OR started_at != first AS deleted
FROM (
    SELECT
        tenant,
        id,
        groupArrayIf((time, standing.deleted), phase = 'started') AS starts,
        minIf(time, phase = 'started' AND standing.deleted = 0) AS first,
        if(countIf(phase = 'terminal' AND standing.deleted = 0) = 0, toDateTime64('2299-01-01 00:00:00', 3, 'UTC'), minIf(time, phase = 'terminal' AND standing.deleted = 0)) AS ended_at,
        argMaxIf(standing.workflow_id, standing.latest, standing.deleted = 0) AS workflow_id,
        argMaxIf(standing.workflow_version, standing.latest, standing.deleted = 0) AS workflow_version,
        argMaxIf(standing.user_id, standing.latest, standing.deleted = 0) AS user_id,
        argMaxIf(standing.trigger_type, standing.latest, standing.deleted = 0) AS trigger_type
    FROM (
        SELECT
            tenant, id, phase, time,
            max(version) AS latest,
            argMax(deleted, version) AS deleted,
            argMax(workflow_id, version) AS workflow_id,
            argMax(workflow_version, version) AS workflow_version,
            argMax(user_id, version) AS user_id,
            argMax(trigger_type, version) AS trigger_type
        FROM executions_by_id
        WHERE (tenant, id) IN (` + changedExecutions + `)
        GROUP BY tenant, id, phase, time
    ) AS standing
    GROUP BY tenant, id
)
ARRAY JOIN starts AS start`
