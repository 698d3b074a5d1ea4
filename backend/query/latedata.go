package query

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// lateData finds quarters of an hour whose figures changed long after they were over. A
// bucket's version is the moment, in microseconds, at which it was computed last.
func (e *Engine) lateData(ctx context.Context, p access.Principal, r Request) ([]annotation, Meta, error) {
	minutes, err := wholeParam(annotationsParams, &r, "late_after", 1, math.MaxInt32)
	if err != nil {
		return nil, Meta{}, err
	}
	q, err := e.check(p, Request{Metrics: []string{"executions"}, From: r.From, To: r.To, TimeZone: r.TimeZone})
	if err != nil {
		return nil, Meta{}, err
	}
	if !q.scope.all { // Whose events came late is not known of a bucket.
		return nil, Meta{}, &AccessError{Message: "late data can be asked for by those alone who see all data of the tenant"}
	}
	b := newBinder(q.scope)
	sql := fmt.Sprintf(`SELECT toInt64(toUnixTimestamp(bucket)) AS at, toInt64(max(version)) AS changed, arrayStringConcat(arraySort(groupUniqArray(toString(kind))), ' ') AS kinds
FROM bucket_versions FINAL
WHERE tenant = {tenant:String} AND level = 'quarter' AND %s AND version > (toUInt64(toUnixTimestamp(bucket)) + %s) * 1000000
GROUP BY bucket
ORDER BY bucket`,
		within("bucket", []span{q.period()}, b.seconds), b.bind(Quarter.width()+60*int64(minutes), "Int64"))
	var at, changed proto.ColInt64
	var kinds proto.ColStr
	var late []lateQuarters
	meta := Meta{From: q.from.In(q.loc), To: q.to.In(q.loc), TimeZone: q.loc.String(), Sources: []string{"quarter"}, PartialPeriod: q.to.After(q.now), SQL: []string{sql}}
	err = e.client.Do(ctx, clickhouse.Query{
		SQL: sql, Params: b.params, Settings: e.settings(),
		Result: proto.Results{{Name: "at", Data: &at}, {Name: "changed", Data: &changed}, {Name: "kinds", Data: &kinds}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range at {
				late = joinLate(late, at[i], changed[i], kinds.Row(i))
			}
			return nil
		},
		OnProgress: func(_ context.Context, p proto.Progress) error {
			meta.RowsRead += p.Rows
			return nil
		},
	})
	if err != nil {
		return nil, Meta{}, fmt.Errorf("read late data: %w", err)
	}
	out := make([]annotation, len(late))
	for i, l := range late {
		out[i] = annotation{
			at: time.Unix(l.from, 0).In(q.loc), end: time.Unix(l.to, 0).In(q.loc), tags: "late", title: "Figures changed late",
			text: fmt.Sprintf("Figures of %s changed until %s: events came late, were corrected, or were priced or computed again.",
				l.what(), time.UnixMicro(l.changed).In(q.loc).Format("2006-01-02 15:04 MST")),
		}
	}
	return out, meta, nil
}

// lateQuarters are quarters of an hour next to each other, in Unix seconds, with when the
// last of them changed, in microseconds.
type lateQuarters struct {
	from, to, changed int64
	kinds             []string
}

func joinLate(all []lateQuarters, at, changed int64, kinds string) []lateQuarters {
	if len(all) == 0 || all[len(all)-1].to != at {
		all = append(all, lateQuarters{from: at})
	}
	last := &all[len(all)-1]
	last.to, last.changed = at+Quarter.width(), max(last.changed, changed)
	for _, k := range strings.Fields(kinds) {
		if !slices.Contains(last.kinds, k) {
			last.kinds = append(last.kinds, k)
		}
	}
	return all
}

// what names the kinds of events.
func (l *lateQuarters) what() string {
	names := map[string]string{"execution": "executions", "step": "steps", "cost": "costs", "activity": "activity"}
	var out []string
	for _, k := range slices.Sorted(slices.Values(l.kinds)) {
		out = append(out, names[k])
	}
	if last := len(out) - 1; last > 0 {
		return strings.Join(out[:last], ", ") + " and " + out[last]
	}
	return strings.Join(out, "")
}
