package query

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

const (
	defaultErrorGroups = 100
	maxErrorGroups     = 1000
)

var errorsShape = shape{
	KindInfo: KindInfo{
		Kind: KindErrors, Title: "Error groups",
		Description: "What executions failed of, most frequent first: one row for each error type and fingerprint of the message, which leaves out ids, numbers and quoted values. limit is 100 by default, 1000 at most.",
		Uses:        []string{"filters", "limit"},
		Params:      []ParamInfo{},
		Fields: []FieldInfo{
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
		},
	},
	answer: (*Engine).errorGroups,
}

func (e *Engine) errorGroups(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit := r.Limit
	if limit == 0 {
		limit = defaultErrorGroups
	}
	if limit < 0 || limit > maxErrorGroups {
		return nil, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxErrorGroups), "20")
	}
	q, err := e.check(p, Request{Metrics: []string{"executions_failed"}, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters})
	if err != nil {
		return nil, err
	}
	rows := errorRows{}
	st := q.errorGroups(limit)
	var rowsRead uint64
	err = e.client.Do(ctx, clickhouse.Query{
		SQL: st.sql, Params: st.params, Settings: e.settings(),
		Result:   rows.results(),
		OnResult: func(context.Context, proto.Block) error { rows.take(q.loc); return nil },
		OnProgress: func(_ context.Context, p proto.Progress) error {
			rowsRead += p.Rows
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read error groups: %w", err)
	}
	return &Result{Frame: rows.frame(limit), Exact: map[string][]string{}, Meta: Meta{
		From: q.from.In(q.loc), To: q.to.In(q.loc), TimeZone: q.loc.String(), Sources: []string{"raw"},
		PartialPeriod: q.to.After(q.now), Truncated: len(rows.errorType) > limit,
		RowsRead: rowsRead, SQL: []string{st.sql},
	}}, nil
}

func (q *question) errorGroups(limit int) statement {
	b := newBinder(q.scope)
	where := "tenant = {tenant:String} AND " + within("time", []span{q.period()}, b.millis)
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT
    error_type AS type, any(error_message) AS sample, toString(error_fingerprint) AS fingerprint,
    toInt64(count()) AS failures, toInt64(sum(count()) OVER ()) AS total,
    toUnixTimestamp64Milli(min(time)) AS first_seen, toUnixTimestamp64Milli(max(time)) AS last_seen,
    toInt64(uniqExact(workflow_id)) AS workflows, toInt64(uniqExactIf(user_id, user_id != '')) AS users
FROM (SELECT * FROM executions FINAL WHERE %s) AS r
WHERE status = 'failed'%s
GROUP BY error_type, error_fingerprint
ORDER BY failures DESC, error_type, error_fingerprint
LIMIT %d
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		where, q.conditions(b, rollupSources[metric.SourceExecutions].dimensions), limit+1)}
}

// errorRows gathers the rows of error groups by column.
type errorRows struct {
	cols struct {
		errorType, sample, fingerprint                 proto.ColStr
		failures, total, first, last, workflows, users proto.ColInt64
	}
	errorType, message, sample, fingerprint []string
	count, workflows, users                 []int64
	share                                   []float64
	first, last                             []time.Time
}

func (r *errorRows) results() proto.Results {
	c := &r.cols
	return proto.Results{
		{Name: "type", Data: &c.errorType},
		{Name: "sample", Data: &c.sample},
		{Name: "fingerprint", Data: &c.fingerprint},
		{Name: "failures", Data: &c.failures},
		{Name: "total", Data: &c.total},
		{Name: "first_seen", Data: &c.first},
		{Name: "last_seen", Data: &c.last},
		{Name: "workflows", Data: &c.workflows},
		{Name: "users", Data: &c.users},
	}
}

func (r *errorRows) take(loc *time.Location) {
	c := &r.cols
	for i, n := range c.failures {
		r.errorType = append(r.errorType, c.errorType.Row(i))
		r.message = append(r.message, event.Template(c.sample.Row(i)))
		r.sample = append(r.sample, c.sample.Row(i))
		r.fingerprint = append(r.fingerprint, c.fingerprint.Row(i))
		r.count = append(r.count, n)
		r.share = append(r.share, float64(n)/float64(c.total[i]))
		r.first = append(r.first, time.UnixMilli(c.first[i]).In(loc))
		r.last = append(r.last, time.UnixMilli(c.last[i]).In(loc))
		r.workflows = append(r.workflows, c.workflows[i])
		r.users = append(r.users, c.users[i])
	}
}

func (r *errorRows) frame(limit int) *data.Frame {
	frame := data.NewFrame("",
		data.NewField("error_type", nil, cut(r.errorType, limit)),
		data.NewField("message", nil, cut(r.message, limit)),
		data.NewField("sample", nil, cut(r.sample, limit)),
		data.NewField("fingerprint", nil, cut(r.fingerprint, limit)),
		data.NewField("count", nil, cut(r.count, limit)),
		data.NewField("share", nil, cut(r.share, limit)),
		data.NewField("first_seen", nil, cut(r.first, limit)),
		data.NewField("last_seen", nil, cut(r.last, limit)),
		data.NewField("workflows", nil, cut(r.workflows, limit)),
		data.NewField("users", nil, cut(r.users, limit)),
	)
	frame.Fields[slices.IndexFunc(frame.Fields, func(f *data.Field) bool { return f.Name == "share" })].Config = &data.FieldConfig{Unit: "percentunit"}
	return frame
}

// cut also makes an empty column of none: a field needs its type.
func cut[T any](in []T, limit int) []T {
	if in == nil {
		return []T{}
	}
	return in[:min(limit, len(in))]
}
