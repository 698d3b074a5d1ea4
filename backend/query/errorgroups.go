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

const (
	defaultErrorGroups = 100
	maxErrorGroups     = 1000
	defaultErrorTrends = 10
)

var errorsParams = []ParamInfo{}

var errorsFields = []FieldInfo{
	{"error_type", "", "The category of the error."},
	{"message", "", "The message, with what varies replaced."},
	{"sample", "", "One message as it was sent."},
	{"fingerprint", "", "What messages of one group have in common, as a number."},
	{"count", "short", "Executions that failed of it."},
	{"share", "percentunit", "Its share of all failed executions that match."},
	{"first_seen", "", "Time of the first of them in the period."},
	{"last_seen", "", "Time of the last of them in the period."},
	{"workflows", "short", "Different workflows that it happened to."},
	{"users", "short", "Different users that it happened to."},
	{"count_previous", "short", "With compare: executions that failed of it in the other period."},
	{"change", "percentunit", "With compare: how many more, as a share of count_previous; none where that is 0."},
	{"new", "", "With compare: whether it did not happen in the other period."},
}

// errorTrendFields are those of an answer by granularity.
var errorTrendFields = []FieldInfo{
	{"time", "", "Start of the time bucket."},
	{"error_type", "", "The category of the error."},
	{"message", "", "The message, with what varies replaced."},
	{"fingerprint", "", "What messages of one group have in common, as a number."},
	{"count", "short", "Executions that failed of it in the bucket. Buckets without any are left out."},
}

var errorsShape = shape{
	KindInfo: KindInfo{
		Kind: KindErrors, Title: "Error groups",
		Description: "What executions failed of, most frequent first: one row for each error type and fingerprint of the message, which leaves out ids, numbers and quoted values. limit is 100 by default, 1000 at most. compare adds count_previous, change and new, of the groups of the period. granularity instead gives the trend of the limit (10 by default) most frequent groups: time, error_type, message, fingerprint and count, one row for each group and time bucket.",
		Uses:        []string{"filters", "limit", "compare", "granularity", "asOf"},
		Params:      errorsParams, People: "users", Single: []string{"sample"},
		Fields: errorsFields,
	},
	answer: (*Engine).errorGroups,
}

func (e *Engine) errorGroups(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit := r.Limit
	if limit == 0 {
		limit = defaultErrorGroups
		if r.Granularity != Whole {
			limit = defaultErrorTrends
		}
	}
	if limit < 0 || limit > maxErrorGroups {
		return nil, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxErrorGroups), "20")
	}
	if r.Compare != NoCompare && r.Granularity != Whole {
		return nil, requestError("compare", string(r.Compare), "groups are compared over the whole period: ask for the trend without compare, or for the comparison without granularity", "")
	}
	q, err := e.check(p, Request{Metrics: []string{"executions_failed"}, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters, Granularity: r.Granularity, Compare: r.Compare})
	if err != nil {
		return nil, err
	}
	before := *q
	if r.Compare != NoCompare {
		if before = *q.shifted(r.Compare); before.from.Before(earliest) {
			return nil, requestError("compare", "", "the period to compare with lies before 1970", "")
		}
	}
	groups, st, rowsRead, err := e.errorRows(ctx, q, &before, limit)
	if err != nil {
		return nil, err
	}
	truncated := len(groups) > limit
	groups = groups[:min(limit, len(groups))]
	if q.granularity != Whole {
		return e.errorTrends(ctx, q, groups, q.listMeta(st, rowsRead, truncated))
	}
	res := q.errorFrame(groups, r.Compare != NoCompare).result()
	res.Meta = q.listMeta(st, rowsRead, truncated)
	return res, nil
}

// errorGroup is the executions that failed of one error.
type errorGroup struct {
	errorType, sample, fingerprint string
	count, total, previous         int64
	first, last, workflows, users  int64
}

func (g *errorGroup) row(loc *time.Location) []any {
	row := []any{
		g.errorType, event.Template(g.sample), g.sample, g.fingerprint, g.count, float64(g.count) / float64(g.total),
		time.UnixMilli(g.first).In(loc), time.UnixMilli(g.last).In(loc), g.workflows, g.users, g.previous,
	}
	var change *float64
	if g.previous > 0 {
		more := float64(g.count-g.previous) / float64(g.previous)
		change = &more
	}
	return append(row, change, g.previous == 0)
}

// plainErrorFields is how many of the fields an answer without a comparison has.
const plainErrorFields = 10

func (q *question) errorFrame(groups []errorGroup, compared bool) *fields {
	types := []any{"", "", "", "", int64(0), 0.0, time.Time{}, time.Time{}, int64(0), int64(0), int64(0), (*float64)(nil), false}
	n := plainErrorFields
	if compared {
		n = len(errorsFields)
	}
	out := newFields(errorsFields[:n], types[:n]...)
	for i := range groups {
		out.add(groups[i].row(q.loc)[:n]...)
	}
	return out
}

// errorRows reads one group more than the limit, if there is one. Both periods are
// read at once, because a comparison is of the groups that this period has.
func (e *Engine) errorRows(ctx context.Context, q, before *question, limit int) (groups []errorGroup, st statement, rowsRead uint64, err error) {
	st = q.errorGroups(before, limit)
	var errorType, sample, fingerprint proto.ColStr
	var failures, total, previous, first, last, workflows, users proto.ColInt64
	rowsRead, err = e.scan(ctx, "error groups", st, proto.Results{
		{Name: "type", Data: &errorType},
		{Name: "sample", Data: &sample},
		{Name: "fingerprint", Data: &fingerprint},
		{Name: "failures", Data: &failures},
		{Name: "total", Data: &total},
		{Name: "previous", Data: &previous},
		{Name: "first_seen", Data: &first},
		{Name: "last_seen", Data: &last},
		{Name: "workflows", Data: &workflows},
		{Name: "users", Data: &users},
	}, func(i int) error {
		groups = append(groups, errorGroup{
			errorType: errorType.Row(i), sample: sample.Row(i), fingerprint: fingerprint.Row(i),
			count: failures[i], total: total[i], previous: previous[i],
			first: first[i], last: last[i], workflows: workflows[i], users: users[i],
		})
		return nil
	})
	return groups, st, rowsRead, err
}

func (q *question) errorGroups(before *question, limit int) statement {
	b := newBinder(q.scope)
	now := within("time", []span{q.period()}, b.millis)
	read, then := now, "0"
	if before.period() != q.period() {
		then = within("time", []span{before.period()}, b.millis)
		read = "(" + now + " OR " + then + ")"
	}
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT
    error_type AS type, anyIf(error_message, %[1]s) AS sample, toString(error_fingerprint) AS fingerprint,
    toInt64(countIf(%[1]s)) AS failures, toInt64(sum(countIf(%[1]s)) OVER ()) AS total, toInt64(countIf(%[2]s)) AS previous,
    toUnixTimestamp64Milli(minIf(time, %[1]s)) AS first_seen, toUnixTimestamp64Milli(maxIf(time, %[1]s)) AS last_seen,
    toInt64(uniqExactIf(workflow_id, %[1]s)) AS workflows, toInt64(uniqExactIf(user_id, user_id != '' AND %[1]s)) AS users
FROM %[3]s AS r
WHERE status = 'failed'%[4]s
GROUP BY error_type, error_fingerprint
HAVING failures > 0
ORDER BY failures DESC, error_type, error_fingerprint
LIMIT %[5]d
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		now, then, b.rows("executions", "tenant = {tenant:String} AND "+read, ""), q.errorConditions(b), limit+1)}
}

func (q *question) errorConditions(b *binder) string {
	return q.conditions(b, q.timed(rollupSources[metric.SourceExecutions].columns(), rawSeconds))
}

// errorTrends reads the buckets of the groups that are most frequent in the period.
func (e *Engine) errorTrends(ctx context.Context, q *question, groups []errorGroup, meta Meta) (*Result, error) {
	out := newFields(errorTrendFields, time.Time{}, "", "", "", (*float64)(nil))
	if len(groups) > 0 {
		cal := q.calendar()
		type key struct{ errorType, fingerprint string }
		messages := make(map[key]string, len(groups))
		for _, g := range groups {
			messages[key{g.errorType, g.fingerprint}] = event.Template(g.sample)
		}
		st := q.errorTrends(cal, groups, e.limits.Rows+1)
		var errorType, fingerprint proto.ColStr
		var label, failures proto.ColInt64
		rowsRead, err := e.scan(ctx, "error trends", st, proto.Results{
			{Name: "t", Data: &label}, {Name: "type", Data: &errorType}, {Name: "fingerprint", Data: &fingerprint}, {Name: "failures", Data: &failures},
		}, func(i int) error {
			n := float64(failures[i])
			k := key{errorType.Row(i), fingerprint.Row(i)}
			out.add(time.Unix(cal.start(label[i]), 0).In(q.loc), k.errorType, messages[k], k.fingerprint, &n)
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(out.rows) > e.limits.Rows {
			return nil, tooManyRows(e.limits.Rows)
		}
		meta.RowsRead += rowsRead
		meta.SQL = append(meta.SQL, st.sql)
	}
	meta.Granularity = q.granularity
	res := out.result()
	res.Meta = meta
	return res, nil
}

func (q *question) errorTrends(cal *calendar, groups []errorGroup, limit int) statement {
	b := newBinder(q.scope)
	var types, fingerprints []string
	for _, g := range groups {
		types, fingerprints = append(types, g.errorType), append(fingerprints, g.fingerprint)
	}
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT
    %s AS t, error_type AS type, toString(error_fingerprint) AS fingerprint, toInt64(count()) AS failures
FROM %s AS r
WHERE status = 'failed'%s
  AND (error_type, toString(error_fingerprint)) IN (SELECT arrayJoin(arrayZip(%s, %s)))
GROUP BY t, error_type, error_fingerprint
ORDER BY t, error_type, error_fingerprint
LIMIT %d
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		cal.sql(rawSeconds), b.rows("executions", "tenant = {tenant:String} AND "+within("time", []span{q.period()}, b.millis), ""), q.errorConditions(b),
		b.bind(types, "Array(String)"), b.bind(fingerprints, "Array(String)"), limit)}
}
