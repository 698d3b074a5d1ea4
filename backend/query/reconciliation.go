package query

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindReconciliation compares what steps say they used with what was charged.
const KindReconciliation Kind = "reconciliation"

const (
	defaultReconciled = 100
	maxReconciled     = 10_000
)

var reconciliationParams = []ParamInfo{
	{Name: "by", Description: "What is compared: single executions, workflows, types (a step's stepType with a cost's actionType of the same name), days, or the period as a whole.", Default: "execution", Allowed: []string{"execution", "workflow", "type", "day", "total"}, Example: "workflow"},
	{Name: "show", Description: "Groups in which something differs, or all.", Default: "differences", Allowed: []string{"differences", "all"}, Example: "all"},
}

var reconciliationFields = []FieldInfo{
	{groupField, "", "The execution, workflow, type or day (YYYY-MM-DD in the time zone asked for); empty is what names none, and the whole period."},
	{"step_credits", "short", "Credits that the group's steps say they used (creditsUsed)."},
	{"cost_credits", "short", "Credits of the group's cost records, what was credited taken off."},
	{"difference", "short", "cost_credits less step_credits: above zero, more was charged than the steps explain."},
	{"steps", "short", "Steps of the group with credits."},
	{"records", "short", "Cost records of the group with credits."},
	{"executions", "short", "Executions of the group in which either has credits."},
	{"executions_differing", "short", "Those whose two sums are not equal."},
	{"executions_steps_only", "short", "Those with credits of steps and no cost record with any."},
	{"executions_costs_only", "short", "Those with credits of cost records and no step with any."},
}

var reconciliationShape = shape{
	KindInfo: KindInfo{
		Kind: KindReconciliation, Title: "Reconciliation of credits",
		Description: "Where the credits that steps used and those that cost records charge disagree, and by how much: the largest difference first, either way. A step belongs to the time at which it started, a record to its own. Read from the events themselves, so the period is limited like that of figures by execution. limit is 100 by default, 10000 at most.",
		Uses:        []string{"filters", "limit", "asOf"},
		Params:      reconciliationParams,
		Fields:      reconciliationFields,
	},
	answer: (*Engine).reconciliation,
	groups: func(r *Request) []string {
		return map[string][]string{
			"execution": {metric.Execution}, "workflow": {metric.Workflow}, "type": {metric.StepType, metric.ActionType},
		}[paramOf(reconciliationParams, r, "by")]
	},
}

func (e *Engine) reconciliation(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit := r.Limit
	if limit == 0 {
		limit = defaultReconciled
	}
	if limit < 0 || limit > maxReconciled {
		return nil, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxReconciled), "20")
	}
	// The executions' dimension is what both sides have and what bounds the period.
	q, err := e.check(p, Request{
		Metrics: []string{"step_credits", "credits"}, GroupBy: []string{metric.Execution}, Granularity: Day,
		From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters,
	})
	if err != nil {
		return nil, err
	}
	by := paramOf(reconciliationParams, &r, "by")
	rows := reconciledRows{q: q, by: by}
	st := q.reconciliation(by, paramOf(reconciliationParams, &r, "show") == "all", limit+1)
	var rowsRead uint64
	err = e.client.Do(ctx, clickhouse.Query{
		SQL: st.sql, Params: st.params, Settings: e.settings(),
		Result:   rows.results(),
		OnResult: func(context.Context, proto.Block) error { return rows.take() },
		OnProgress: func(_ context.Context, p proto.Progress) error {
			rowsRead += p.Rows
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("reconcile credits: %w", err)
	}
	res := rows.result(limit)
	res.Meta = Meta{
		From: q.from.In(q.loc), To: q.to.In(q.loc), TimeZone: q.loc.String(), Sources: []string{"raw"},
		PartialPeriod: q.to.After(q.now), Truncated: len(rows.rows) > limit, RowsRead: rowsRead, SQL: []string{st.sql},
	}
	return res, nil
}

// reconciliation renders both sides as rows of one shape, sums them by group and
// execution, and those by group: an execution that differs is counted although
// another one may make up for it.
func (q *question) reconciliation(by string, all bool, limit int) statement {
	b := newBinder(q.scope)
	where := "tenant = {tenant:String} AND " + within("time", []span{q.period()}, b.millis)
	side := func(source metric.Source, typeColumn, steps, costs string) string {
		src := rollupSources[source]
		group := map[string]string{"execution": "execution_id", "workflow": "workflow_id", "type": typeColumn, "total": "''"}[by]
		if by == "day" {
			group = "toString(" + q.calendar().sql("intDiv(toUnixTimestamp64Milli(time), 1000)") + ")"
		}
		return fmt.Sprintf("        SELECT %s AS g, execution_id AS x, %s AS used, %s AS charged, toInt64(%s != 0) AS s, toInt64(%s != 0) AS c\n        FROM %s AS r\n        WHERE 1%s",
			group, steps, costs, steps, costs, src.raw(b, where), q.conditions(b, q.timed(src.columns(), rawSeconds)))
	}
	const none = "toDecimal128(0, 15)"
	having := ""
	if !all {
		having = "\nHAVING difference != 0 OR differing > 0"
	}
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT
    g AS group, sum(used) AS step_credits, sum(charged) AS cost_credits, cost_credits - step_credits AS difference,
    toInt64(sum(s)) AS steps, toInt64(sum(c)) AS records,
    toInt64(countIf(x != '' AND s + c > 0)) AS executions,
    toInt64(countIf(x != '' AND used != charged)) AS differing,
    toInt64(countIf(x != '' AND s > 0 AND c = 0)) AS steps_only,
    toInt64(countIf(x != '' AND c > 0 AND s = 0)) AS costs_only
FROM (
    SELECT g, x, sum(r.used) AS used, sum(r.charged) AS charged, sum(r.s) AS s, sum(r.c) AS c
    FROM (
%s
        UNION ALL
%s
    ) AS r
    GROUP BY g, x
)
GROUP BY g%s
ORDER BY abs(difference) DESC, differing DESC, g
LIMIT %d
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		side(metric.SourceSteps, "step_type", "credits", none), side(metric.SourceCosts, "action_type", none, "credits"), having, limit)}
}

// reconciledRows gathers the rows.
type reconciledRows struct {
	q    *question
	by   string
	cols struct {
		group                                                       proto.ColStr
		used, charged, difference                                   proto.ColDecimal128
		steps, records, executions, differing, stepsOnly, costsOnly proto.ColInt64
	}
	rows [][]any
}

func (r *reconciledRows) results() proto.Results {
	c := &r.cols
	return proto.Results{
		{Name: "group", Data: &c.group},
		{Name: "step_credits", Data: &c.used},
		{Name: "cost_credits", Data: &c.charged},
		{Name: "difference", Data: &c.difference},
		{Name: "steps", Data: &c.steps},
		{Name: "records", Data: &c.records},
		{Name: "executions", Data: &c.executions},
		{Name: "differing", Data: &c.differing},
		{Name: "steps_only", Data: &c.stepsOnly},
		{Name: "costs_only", Data: &c.costsOnly},
	}
}

func (r *reconciledRows) take() error {
	c, cal := &r.cols, r.q.calendar()
	exact := func(v proto.Decimal128) event.Decimal { return event.Decimal{Lo: v.Low, Hi: int64(v.High)} }
	for i := range c.steps {
		group := c.group.Row(i)
		if r.by == "day" {
			label, err := strconv.ParseInt(group, 10, 64)
			if err != nil {
				return fmt.Errorf("day %q of the database: %w", group, err)
			}
			group = time.Unix(cal.start(label), 0).In(r.q.loc).Format(time.DateOnly)
		}
		r.rows = append(r.rows, []any{
			group, exact(c.used[i]), exact(c.charged[i]), exact(c.difference[i]),
			c.steps[i], c.records[i], c.executions[i], c.differing[i], c.stepsOnly[i], c.costsOnly[i],
		})
	}
	return nil
}

func (r *reconciledRows) result(limit int) *Result {
	var n int64
	var d event.Decimal
	f := newFields(reconciliationFields, "", d, d, d, n, n, n, n, n, n)
	f.rows = r.rows[:min(limit, len(r.rows))]
	return f.result()
}
