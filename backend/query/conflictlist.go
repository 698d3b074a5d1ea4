package query

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/metric"
)

const (
	defaultConflicts = 100
	maxConflicts     = 1000
)

// Conflicts lists the ends of executions that have more than one, the execution
// with the latest end first. Of the request it uses From, To, TimeZone, Filters by
// workflow, user and execution, and Limit (of executions; 100 by default). The
// frame has a row for each end, those of an execution in order of time, with the
// fields execution, workflow, time, status, attempt, source and received_at.
func (e *Engine) Conflicts(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	res, err := e.guardedConflicts(ctx, p, r)
	record := recordOf(&r)
	record.Kind = auditConflicts
	if err := e.audit(ctx, p, record, res, err); err != nil {
		return nil, err
	}
	return res, err
}

// guardedConflicts lists conflicts with what the caller's policy keeps back left out.
func (e *Engine) guardedConflicts(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	g, err := e.guard(ctx, p)
	if err != nil {
		return nil, err
	}
	s := &shape{KindInfo: KindInfo{Kind: auditConflicts}}
	if err := g.checkKind(s); err != nil {
		return nil, err
	}
	if r.Filters, err = g.admit(ctx, r.From.UnixMilli(), r.To.UnixMilli(), nil, r.Filters); err != nil {
		return nil, err
	}
	res, err := e.conflictsOf(ctx, p, r)
	if err != nil {
		return nil, err
	}
	return res, g.apply(ctx, s, &r, res)
}

func (e *Engine) conflictsOf(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	began := time.Now()
	limit := r.Limit
	if limit == 0 {
		limit = defaultConflicts
	}
	if limit < 0 || limit > maxConflicts {
		return nil, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxConflicts), "20")
	}
	filters, err := e.byMembers(ctx, p.Tenant, r.Filters)
	if err != nil {
		return nil, err
	}
	q, err := e.check(p, Request{Metrics: []string{"execution_conflicts"}, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: filters})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	rows := conflictRows{loc: q.loc, limit: limit}
	st := q.conflictList(limit)
	var rowsRead uint64
	err = e.client.Do(ctx, clickhouse.Query{
		SQL: st.sql, Params: st.params, Settings: e.settings(),
		Result:   rows.results(),
		OnResult: func(context.Context, proto.Block) error { rows.take(); return nil },
		OnProgress: func(_ context.Context, p proto.Progress) error {
			rowsRead += p.Rows
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read conflicts: %w", err)
	}
	return &Result{Frame: rows.frame(), Exact: map[string][]string{}, Meta: Meta{
		From: q.from.In(q.loc), To: q.to.In(q.loc), TimeZone: q.loc.String(), Sources: []string{"raw"},
		PartialPeriod: q.to.After(q.now), Truncated: rows.executions > limit,
		RowsRead: rowsRead, Elapsed: time.Since(began), SQL: []string{st.sql},
	}}, nil
}

func (q *question) conflictList(limit int) statement {
	b := newBinder(q.scope)
	list := fmt.Sprintf("SELECT id, ends FROM %s AS r WHERE 1%s ORDER BY ends[-1] DESC, id LIMIT %d",
		q.conflicting(b), q.conditions(b, plainSources[metric.SourceConflicts].dimensions), limit+1)
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT
    id, workflow_id AS workflow, toUnixTimestamp64Milli(time) AS at, toString(status) AS status, toInt64(attempt) AS attempt, source,
    toInt64(intDiv(bitAnd(version, %d), 1000)) AS received
FROM executions FINAL
WHERE tenant = {tenant:String} AND phase = 'terminal' AND (time, id) IN (
    SELECT fromUnixTimestamp64Milli(arrayJoin(ends), 'UTC'), id FROM (%s)
)
ORDER BY max(at) OVER (PARTITION BY id) DESC, id, at
SETTINGS do_not_merge_across_partitions_select_final = 1`, schema.VersionMoved-1, list)}
}

// conflictRows gathers the rows by column.
type conflictRows struct {
	loc        *time.Location
	limit      int
	executions int
	cols       struct {
		id, workflow, status, source proto.ColStr
		at, attempt, received        proto.ColInt64
	}
	id, workflow, status, source []string
	at, received                 []time.Time
	attempt                      []int64
}

func (r *conflictRows) results() proto.Results {
	c := &r.cols
	return proto.Results{
		{Name: "id", Data: &c.id},
		{Name: "workflow", Data: &c.workflow},
		{Name: "at", Data: &c.at},
		{Name: "status", Data: &c.status},
		{Name: "attempt", Data: &c.attempt},
		{Name: "source", Data: &c.source},
		{Name: "received", Data: &c.received},
	}
}

func (r *conflictRows) take() {
	c := &r.cols
	for i := range c.at {
		id := c.id.Row(i)
		if len(r.id) == 0 || r.id[len(r.id)-1] != id {
			r.executions++
		}
		if r.executions > r.limit {
			return
		}
		r.id, r.workflow = append(r.id, id), append(r.workflow, c.workflow.Row(i))
		r.status, r.source = append(r.status, c.status.Row(i)), append(r.source, c.source.Row(i))
		r.at, r.received = append(r.at, time.UnixMilli(c.at[i]).In(r.loc)), append(r.received, time.UnixMilli(c.received[i]).In(r.loc))
		r.attempt = append(r.attempt, c.attempt[i])
	}
}

func (r *conflictRows) frame() *data.Frame {
	n := len(r.id)
	return data.NewFrame("",
		data.NewField("execution", nil, cut(r.id, n)),
		data.NewField("workflow", nil, cut(r.workflow, n)),
		data.NewField("time", nil, cut(r.at, n)),
		data.NewField("status", nil, cut(r.status, n)),
		data.NewField("attempt", nil, cut(r.attempt, n)),
		data.NewField("source", nil, cut(r.source, n)),
		data.NewField("received_at", nil, cut(r.received, n)),
	)
}

// cut also makes an empty column of none: a field needs its type.
func cut[T any](in []T, limit int) []T {
	if in == nil {
		return []T{}
	}
	return in[:min(limit, len(in))]
}
