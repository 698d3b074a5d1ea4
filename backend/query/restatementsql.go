package query

import (
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// sourceRestated counts the events that changed between two moments.
const sourceRestated metric.Source = "restated"

func countedCauses() map[string]aggregate {
	out := map[string]aggregate{}
	for _, c := range causes {
		out[c.name] = aggregate{sql: "sum(m_" + c.name + ")", kind: integers, merge: added}
	}
	return out
}

// restatedTable is what of a raw table makes an event count otherwise.
type restatedTable struct {
	name      string
	phase     string // what tells two events with one id and time apart
	content   string // columns that an event was sent with
	priced    string // the column that says when it got its price
	price     string // columns that a price changes
	inherited string // columns that another event may change
}

var restatedTables = map[metric.Source]restatedTable{
	metric.SourceExecutions: {
		name: "executions", phase: "toInt8(phase)", priced: "toDateTime64(0, 3, 'UTC')", price: "0", inherited: "0",
		content: "workflow_id, workflow_version, user_id, trigger_id, trigger_type, status, duration_ms, step_count, error_type, error_message, queued_time, attempt, metadata",
	},
	metric.SourceSteps: {
		name: "steps", phase: "toInt8(0)", priced: "toDateTime64(0, 3, 'UTC')", price: "0", inherited: "workflow_id, workflow_version, user_id",
		content: "execution_id, step_id, step_type, status, end_time, queued_time, duration_ms, input_bytes, output_bytes, credits, depends_on, attempt",
	},
	metric.SourceCosts: {
		name: "costs", phase: "toInt8(0)", priced: "priced_at", price: "dollars, pricing", inherited: "0",
		content: "workflow_id, user_id, execution_id, action_type, credits, metadata",
	},
	metric.SourceActivity: {
		name: "activity", phase: "toInt8(0)", priced: "toDateTime64(0, 3, 'UTC')", price: "0", inherited: "0",
		content: "user_id, session_id, action, resource, resource_id, duration_ms, metadata",
	},
}

// changesBetween renders how many events of a source changed from one moment, then's,
// to another, by group and cause. Both states of the events that something came of in
// between are put beside each other.
func (q *question) changesBetween(then *question, s metric.Source, o ordering) statement {
	t := restatedTables[s]
	b := newBinder(q.scope)
	earlier := *b // the same values, at the other moment
	earlier.asOf = then.scope.asOf
	came := fmt.Sprintf("%s AND NOT %s", b.known(t.name), earlier.known(t.name))
	changed := fmt.Sprintf("SELECT time, id FROM %s WHERE tenant = {tenant:String} AND %s AND %s",
		t.name+history.Versions, within("time", []span{q.period()}, b.millis), came)
	if s == metric.SourceSteps {
		changed = q.inheriting(b, &earlier, changed)
	}
	where := fmt.Sprintf("tenant = {tenant:String} AND %s AND (time, id) IN (%s)", within("time", []span{q.period()}, b.millis), changed)
	// Ids with a row that took one away, or put one there, in between.
	others := func(deleted int) string {
		return fmt.Sprintf("SELECT id, %s FROM %s WHERE tenant = {tenant:String} AND deleted = %d AND %s", t.phase, t.name+history.Versions, deleted, came)
	}
	columns := []string{"g.1 AS ts"}
	for i, d := range q.dims {
		columns = append(columns, fmt.Sprintf("tupleElement(g, %d) AS %s", i+2, dimensionAlias(d)))
	}
	for _, c := range causes {
		columns = append(columns, fmt.Sprintf("toInt64(cause = '%s') AS m_%s", c.name, c.name))
	}
	from := fmt.Sprintf(`(
    SELECT %s
    FROM (
        SELECT
            arrayJoin(arrayMap(x -> x.2, arrayDistinct(arrayFilter(x -> x.1 = 1, [(l.kept, l.g), (r.kept, r.g)])))) AS g,
            multiIf(
                l.here = 0, if((r.id, r.phase) IN (%s), 'moved', 'added'),
                r.here = 0, if((l.id, l.phase) IN (%s), 'moved', 'removed'),
                l.content != r.content, 'corrected',
                l.price != r.price, if(l.priced = r.priced, 'corrected', 'repriced'),
                l.inherited != r.inherited, 'reattributed',
                '') AS cause
        FROM (
%s
        ) AS l
        FULL OUTER JOIN (
%s
        ) AS r ON l.at = r.at AND l.id = r.id AND l.phase = r.phase
    )
    WHERE cause != ''
)`, strings.Join(columns, ", "), others(1), others(0), q.eventStates(&earlier, s, where), q.eventStates(b, s, where))
	names := make([]string, len(causes))
	for i, c := range causes {
		names[i] = c.name
	}
	return q.grouped(b, sourceRestated, names, []string{historyLabel}, from, q.calendar(), o)
}

// inheriting adds the steps that lack what an execution knows of which something came
// in between.
func (q *question) inheriting(b, earlier *binder, changed string) string {
	period := "tenant = {tenant:String} AND " + within("time", []span{q.period()}, b.millis)
	lacking := fmt.Sprintf("(workflow_id = '' OR workflow_version = 0 OR user_id = '') AND execution_id IN (SELECT id FROM executions%s WHERE tenant = {tenant:String} AND %s AND NOT %s)",
		history.Versions, b.known("executions"), earlier.known("executions"))
	for _, suffix := range []string{history.Baseline, history.Versions} {
		changed += fmt.Sprintf(" UNION ALL SELECT time, id FROM steps%s WHERE %s AND %s", suffix, period, lacking)
	}
	return changed
}

// eventStates renders the events that stand at a binder's moment and that the caller
// may see, each with its group, whether the filters keep it, and digests of its parts.
func (q *question) eventStates(b *binder, s metric.Source, where string) string {
	t, src := restatedTables[s], rollupSources[s]
	dimensions := q.timed(src.columns(), rawSeconds)
	group := []string{"toInt64(" + rawSeconds + ")"}
	for _, d := range q.dims {
		group = append(group, text(b.dimension(dimensions, d)))
	}
	seen, kept := *q, *q
	seen.filters, seen.groups = nil, nil
	kept.scope.all = true
	return fmt.Sprintf(`            SELECT
                time AS at, id, %s AS phase, toUInt8(1) AS here, tuple(%s) AS g, toUInt8(1%s) AS kept,
                cityHash64(%s) AS content, cityHash64(%s) AS price, cityHash64(%s) AS inherited, %s AS priced
            FROM %s AS r
            WHERE 1%s`,
		strings.Replace(t.phase, "phase", "r.phase", 1), strings.Join(group, ", "), kept.conditions(b, dimensions),
		t.content, t.price, t.inherited, t.priced, src.raw(b, where), seen.conditions(b, dimensions))
}
