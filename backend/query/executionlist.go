package query

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindExecutions lists executions.
const KindExecutions Kind = "executions"

// maxEach is how many executions of a time bucket are listed at most.
const maxEach = 100

var executionsParams = []ParamInfo{
	{Name: "order", Description: "Which come first: those that took longest, or that ended last.", Default: "duration_ms", Allowed: []string{"duration_ms", "time"}},
	{Name: "status", Description: "Those alone that ended so.", Allowed: []string{event.StatusCompleted.String(), event.StatusFailed.String()}},
	{Name: "fingerprint", Description: "Those alone that failed of an error group: the field fingerprint of a question of kind errors.", Example: "11384253410423983201"},
	{Name: "each", Description: "With granularity: how many of each time bucket, 100 at the very most.", Default: "1", Example: "3"},
}

var executionsFields = []FieldInfo{
	{"time", "", "When it ended."},
	{"execution", "", "Id of the execution."},
	{"workflow", "", "Workflow."},
	{"version", "", "Version of the workflow; 0 where it is not known."},
	{"user", "", "On whose behalf; empty is nobody's."},
	{"status", "", "completed or failed."},
	{"duration_ms", "ms", "How long it took."},
	{"attempt", "short", "Which attempt it is; 0 where the source does not say."},
	{"trigger_type", "", "What started it."},
	{"error_type", "", "Category of the error that it failed of."},
	{"error_message", "", "What it failed of."},
	{"fingerprint", "", "The error group that it is in; 0 where it did not fail with a message."},
}

var executionsShape = shape{
	KindInfo: KindInfo{
		Kind: KindExecutions, Title: "Executions",
		Description: "The executions that ended in the period, one by one and the slowest first: those that the metric executions counts, up to 93 days. granularity keeps the first of each time bucket (params.each), so that none is missed where all are faster. limit is 100 by default, 1000 at most.",
		Uses:        []string{"filters", "limit", "granularity", "asOf"},
		Params:      executionsParams,
		Fields:      executionsFields,
	},
	answer: (*Engine).executionList,
	texts:  []string{"fingerprint"},
}

func (e *Engine) executionList(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit, err := listed(r.Limit)
	if err != nil {
		return nil, err
	}
	each, err := wholeParam(executionsParams, &r, "each", 1, maxEach)
	if err != nil {
		return nil, err
	}
	fingerprint := paramOf(executionsParams, &r, "fingerprint")
	if _, err := strconv.ParseUint(fingerprint, 10, 64); err != nil && fingerprint != "" && fingerprint != nobody {
		return nil, requestError("params.fingerprint", fingerprint, "no fingerprint: give the field of that name of an error group as it is", "11384253410423983201")
	}
	q, err := e.checkRaw(p, r, "executions")
	if err != nil {
		return nil, err
	}
	st := q.executionList(r.Params["status"], fingerprint, paramOf(executionsParams, &r, "order"), each, limit)
	var (
		id, workflow, user, status, trigger, errorType, message, hash proto.ColStr
		at, version, duration, attempt                                proto.ColInt64
		out                                                           = newFields(executionsFields, time.Time{}, "", "", int64(0), "", "", int64(0), int64(0), "", "", "", "")
	)
	rowsRead, err := e.scan(ctx, "executions", st, proto.Results{
		{Name: "at", Data: &at},
		{Name: "id", Data: &id},
		{Name: "workflow_id", Data: &workflow},
		{Name: "revision", Data: &version},
		{Name: "user_id", Data: &user},
		{Name: "state", Data: &status},
		{Name: "duration_ms", Data: &duration},
		{Name: "tries", Data: &attempt},
		{Name: "trigger_type", Data: &trigger},
		{Name: "error_type", Data: &errorType},
		{Name: "error_message", Data: &message},
		{Name: "fingerprint", Data: &hash},
	}, func(i int) error {
		out.add(time.UnixMilli(at[i]).In(q.loc), id.Row(i), workflow.Row(i), version[i], user.Row(i), status.Row(i), duration[i], attempt[i],
			trigger.Row(i), errorType.Row(i), message.Row(i), hash.Row(i))
		return nil
	})
	if err != nil {
		return nil, err
	}
	truncated := out.cut(limit)
	res := out.result()
	res.Meta = q.listMeta(st, rowsRead, truncated)
	res.Meta.Granularity = q.granularity
	return res, nil
}

func (q *question) executionList(status, fingerprint, order string, each, limit int) statement {
	b := newBinder(q.scope)
	more := q.conditions(b, q.timed(rollupSources[metric.SourceExecutions].columns(), rawSeconds))
	if status != "" {
		more += " AND status = " + b.bind(status, "String")
	}
	if fingerprint != "" {
		more += " AND status = 'failed' AND toString(error_fingerprint) = " + b.bind(fingerprint, "String")
	}
	by := map[string]string{"duration_ms": "duration_ms DESC, at DESC", "time": "at DESC"}[order]
	buckets := ""
	if q.granularity != Whole {
		buckets = fmt.Sprintf("\nLIMIT %d BY %s", each, q.calendar().sql(rawSeconds))
	}
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT
    toUnixTimestamp64Milli(time) AS at, id, workflow_id, toInt64(workflow_version) AS revision, user_id, toString(status) AS state,
    duration_ms, toInt64(attempt) AS tries, trigger_type, error_type, error_message, toString(error_fingerprint) AS fingerprint
FROM %s AS r
WHERE 1%s
ORDER BY %s, id%s
LIMIT %d
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		b.rows("executions", "tenant = {tenant:String} AND phase = 'terminal' AND "+within("time", []span{q.period()}, b.millis), ""), more, by, buckets, limit+1)}
}
