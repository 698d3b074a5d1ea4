package rollup

import (
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// kind describes how raw rows of one kind become rollup rows. Everything else
// about recomputation is the same for all kinds.
type kind struct {
	name   string   // as in bucket_marks
	raw    string   // raw table
	rollup string   // rollup table
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
		name: "execution", raw: "executions", rollup: "rollup_executions",
		dims:   []string{"workflow_id", "workflow_version", "trigger_type", "error_type"},
		source: table("executions"),
		measures: append([]measure{
			count("started", "status = 'started'"),
			count("completed", "status = 'completed'"),
			count("failed", "status = 'failed'"),
		}, durations(terminalExecution)...),
	},
	{
		name: "step", raw: "steps", rollup: "rollup_steps",
		dims:   []string{"workflow_id", "workflow_version", "step_id", "step_type"},
		source: schema.ResolvedSteps,
		measures: append(append([]measure{
			count("completed", "status = 'completed'"),
			count("failed", "status = 'failed'"),
			count("skipped", "status = 'skipped'"),
		}, durations(terminalStep)...),
			sum("input_bytes", "input_bytes"),
			sum("output_bytes", "output_bytes"),
			sum("credits", "credits"),
		),
	},
	{
		name: "cost", raw: "costs", rollup: "rollup_costs",
		dims:   []string{"workflow_id", "action_type"},
		source: table("costs"),
		measures: []measure{
			{name: "records", raw: "count()", merge: "sum(records)"},
			{name: "records_credited", raw: "countIf(credits < 0 OR dollars < 0)", merge: "sum(records_credited)"},
			sum("credits", "credits"),
			credited("credits"),
			sum("dollars", "dollars"),
			credited("dollars"),
		},
	},
	{
		name: "activity", raw: "activity", rollup: "rollup_activity",
		dims:   []string{"action", "resource"},
		source: table("activity"),
		measures: []measure{
			{name: "actions", raw: "count()", merge: "sum(actions)"},
			sum("duration_ms", "duration_ms"),
		},
	},
}

// The bound values of every statement here:
//
//	tenant, from, to  the day that is recomputed, in Unix seconds
//	minutes, quarters the buckets that changed in it, in Unix seconds
//	version           this recomputation's version, its slot bit 0
//	odd_minutes, odd_quarters, odd_days
//	                  the buckets whose new version has slot bit 1
//
// time is compared with milliseconds: compared with a DateTime, the last second
// of a day is lost, because the fraction is rounded up.
const inDay = "tenant = {tenant:String} AND time >= fromUnixTimestamp64Milli({from:Int64} * 1000, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64} * 1000, 'UTC')"

func (k kind) columns() string {
	names := append([]string{"tenant", "level", "bucket"}, k.dims...)
	names = append(names, "user_id")
	for _, m := range k.measures {
		names = append(names, m.name)
	}
	return strings.Join(append(names, "version"), ", ")
}

// slotted gives each bucket the version with its slot bit.
func slotted(odd string) string {
	return "bitOr({version:UInt64}, toUInt64(has({" + odd + ":Array(Int64)}, toInt64(toUnixTimestamp(bucket)))))"
}

// fromRaw recomputes buckets from raw rows.
func (k kind) fromRaw(level, bucket, wanted, user string) string {
	where := inDay + fmt.Sprintf(" AND has({%s:Array(Int64)}, toInt64(toUnixTimestamp(%s)))", wanted, bucket)
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s)\nSELECT {tenant:String} AS tenant, '%s' AS level, %s AS bucket, %s, %s AS user_id",
		k.rollup, k.columns(), level, bucket, strings.Join(k.dims, ", "), user)
	for _, m := range k.measures {
		fmt.Fprintf(&b, ",\n    %s AS agg_%s", m.raw, m.name)
	}
	fmt.Fprintf(&b, ",\n    %s AS version\nFROM %s AS r\nGROUP BY bucket, %s, user_id",
		slotted("odd_"+wanted), k.source(where), strings.Join(k.dims, ", "))
	return b.String()
}

// fromLevel merges the buckets of a finer level into a wider one.
func (k kind) fromLevel(level, bucket, odd, finer, where, user string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s)\nSELECT {tenant:String} AS tenant, '%s' AS level, %s AS bucket, %s, %s AS user_id",
		k.rollup, k.columns(), level, bucket, strings.Join(k.dims, ", "), user)
	for _, m := range k.measures {
		fmt.Fprintf(&b, ",\n    %s AS agg_%s", m.merge, m.name)
	}
	fmt.Fprintf(&b, ",\n    %s AS version\nFROM (\n    SELECT * EXCEPT (tenant, level, bucket, version, user_id), bucket AS finer, user_id AS finer_user\n    FROM %s\n    WHERE tenant = {tenant:String} AND level = '%s' AND bucket >= toDateTime({from:Int64}, 'UTC') AND bucket < toDateTime({to:Int64}, 'UTC') AND %s\n) AS r\nGROUP BY bucket, %s, user_id",
		slotted(odd), k.rollup, finer, where, strings.Join(k.dims, ", "))
	return b.String()
}

// rewritten restricts a level to what this recomputation has just written.
const rewritten = "bitAnd(version, bitNot(toUInt64(1))) = {version:UInt64}"

// current restricts quarters to those that will count when this recomputation
// is published: the rewritten ones, and the current version of all others.
func (k kind) current(level string) string {
	changed := "has({quarters:Array(Int64)}, toInt64(toUnixTimestamp(bucket)))"
	return fmt.Sprintf(`if(%s, %s, (bucket, version) IN (
        SELECT bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = '%s' AND level = '%s' AND bucket >= toDateTime({from:Int64}, 'UTC') AND bucket < toDateTime({to:Int64}, 'UTC')
        GROUP BY bucket
    ))`, changed, rewritten, k.name, level)
}

// statements returns what rewrites all levels of one day, in their order.
func (k kind) statements() []string {
	const (
		noUser  = "''"
		quarter = "toStartOfFifteenMinutes(time)"
		day     = "toDateTime(toStartOfDay(finer, 'UTC'), 'UTC')"
	)
	return []string{
		k.fromRaw("minute", "toStartOfMinute(time)", "minutes", noUser),
		k.fromRaw("quarter_user", quarter, "quarters", "r.user_id"),
		k.fromLevel("quarter", "finer", "odd_quarters", "quarter_user", rewritten, noUser),
		k.fromLevel("day_user", day, "odd_days", "quarter_user", k.current("quarter_user"), "finer_user"),
		k.fromLevel("day", day, "odd_days", "quarter", k.current("quarter"), noUser),
	}
}

// markDependents marks the buckets of steps that take attributes from the
// executions of the changed minutes. Deleted rows count too: a step whose
// execution went away loses what it took from it.
const markDependents = `INSERT INTO bucket_marks (tenant, kind, minute)
SELECT DISTINCT {tenant:String}, 'step', minute FROM inheriting_steps
WHERE tenant = {tenant:String} AND execution_id IN (` + changedExecutions + `)`

const changedExecutions = `SELECT id FROM executions WHERE ` + inDay + ` AND has({minutes:Array(Int64)}, toInt64(toUnixTimestamp(toStartOfMinute(time))))`

// writeSpans rewrites the spans of the executions in the changed minutes. An
// execution that reported its start more than once runs from the first; the
// other starts are deleted, as is one whose start was taken back.
const writeSpans = `INSERT INTO execution_spans (tenant, started_at, id, ended_at, workflow_id, workflow_version, user_id, trigger_type, version, deleted)
SELECT
    {tenant:String} AS tenant, start.1 AS started_at, id, ended_at, workflow_id, workflow_version, user_id, trigger_type,
    {version:UInt64} AS version, start.2 = 1 OR started_at != first AS deleted
FROM (
    SELECT
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
            id, phase, time,
            max(version) AS latest,
            argMax(deleted, version) AS deleted,
            argMax(workflow_id, version) AS workflow_id,
            argMax(workflow_version, version) AS workflow_version,
            argMax(user_id, version) AS user_id,
            argMax(trigger_type, version) AS trigger_type
        FROM executions_by_id
        WHERE tenant = {tenant:String} AND id IN (` + changedExecutions + `)
        GROUP BY id, phase, time
    ) AS standing
    GROUP BY id
)
ARRAY JOIN starts AS start`
