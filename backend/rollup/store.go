package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// serverTime returns the server's clock in microseconds.
func (r *Roller) serverTime(ctx context.Context) (uint64, error) {
	var now proto.ColUInt64
	err := r.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT toUInt64(toUnixTimestamp64Micro(now64(6))) AS now",
		Result: proto.Results{{Name: "now", Data: &now}},
	})
	if err != nil {
		return 0, fmt.Errorf("read the server's time: %w", err)
	}
	return now.Row(0), nil
}

// marked returns the minutes of a kind that are not settled. The look-up of
// versions is restricted to marked buckets, which are few.
func (r *Roller) marked(ctx context.Context, k kind) (dayMinutes, error) {
	const marks = `SELECT tenant, minute, max(marked_at) AS marked FROM bucket_marks
WHERE kind = {kind:String} AND marked_at >= {since:UInt64} AND intDiv(marked_at, 600000000) >= intDiv({since:UInt64}, 600000000)
GROUP BY tenant, minute`
	return r.minutes(ctx, `SELECT m.tenant AS tenant, toInt64(toUnixTimestamp(m.minute)) AS minute
FROM (`+marks+`) AS m
LEFT ANY JOIN (
    SELECT tenant, bucket, max(version) AS version FROM bucket_versions
    WHERE kind = {kind:String} AND level = 'minute' AND (tenant, bucket) IN (SELECT tenant, minute FROM (`+marks+`))
    GROUP BY tenant, bucket
) AS v ON m.tenant = v.tenant AND m.minute = v.bucket
WHERE m.marked >= v.version`, map[string]any{"kind": k.name, "since": r.since})
}

func (r *Roller) minutes(ctx context.Context, sql string, params map[string]any) (dayMinutes, error) {
	var tenant proto.ColStr
	var minute proto.ColInt64
	out := dayMinutes{}
	err := r.client.Do(ctx, clickhouse.Query{
		SQL:    sql,
		Params: params,
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "minute", Data: &minute}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range minute.Rows() {
				out.add(tenant.Row(i), minute.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read changed buckets: %w", err)
	}
	return out, nil
}

// published is what a rewritten day needs to become current.
type published struct {
	day      day
	minutes  map[int64]uint64 // bucket to version
	quarters map[int64]uint64
	days     map[int64]uint64
}

// rewrite writes all levels of a day under a new version. When it fails the
// version is abandoned: no statement is repeated under it, because a statement
// whose answer was lost may have been carried out.
func (r *Roller) rewrite(ctx context.Context, k kind, d day, minutes []int64) (published, error) {
	quarters := quartersOf(minutes)
	now, current, err := r.versions(ctx, k, d)
	if err != nil {
		return published{}, err
	}
	now &^= 1
	p := published{day: d}
	var odd [3][]int64
	for i, level := range []struct {
		name    string
		buckets []int64
		out     *map[int64]uint64
	}{
		{"minute", minutes, &p.minutes},
		{"quarter", quarters, &p.quarters},
		{"day", []int64{d.start}, &p.days},
	} {
		*level.out = make(map[int64]uint64, len(level.buckets))
		for _, b := range level.buckets {
			slot := 1 - current[bucket{level.name, b}]&1
			(*level.out)[b] = now | slot
			if slot == 1 {
				odd[i] = append(odd[i], b)
			}
		}
	}
	params := map[string]any{
		"tenant": d.tenant, "from": d.start, "to": d.start + daySeconds,
		"minutes": minutes, "quarters": quarters, "version": now,
		"odd_minutes": odd[0], "odd_quarters": odd[1], "odd_days": odd[2],
	}
	statements := k.statements()
	if k.name == "execution" {
		statements = append(statements, markDependents, writeSpans)
	}
	began := time.Now()
	for _, sql := range statements {
		if err := r.client.Exec(ctx, sql, params); err != nil {
			return published{}, err
		}
	}
	r.metrics.duration.WithLabelValues(k.name).Observe(time.Since(began).Seconds())
	return p, nil
}

// bucket is a bucket of a day at one of the levels without users, whose
// versions the levels with users share.
type bucket struct {
	level string
	start int64
}

// versions returns the server's time in microseconds and the current versions
// of a day's buckets.
func (r *Roller) versions(ctx context.Context, k kind, d day) (now uint64, current map[bucket]uint64, err error) {
	var level proto.ColStr
	var start proto.ColInt64
	var version proto.ColUInt64
	current = map[bucket]uint64{}
	err = r.client.Do(ctx, clickhouse.Query{
		SQL: `SELECT toString(level) AS l, toInt64(toUnixTimestamp(bucket)) AS b, max(version) AS v FROM bucket_versions
WHERE tenant = {tenant:String} AND kind = {kind:String} AND level IN ('minute', 'quarter', 'day')
  AND bucket >= toDateTime({from:Int64}, 'UTC') AND bucket < toDateTime({to:Int64}, 'UTC')
GROUP BY level, bucket
UNION ALL
SELECT 'now', 0, toUInt64(toUnixTimestamp64Micro(now64(6)))`,
		Params: map[string]any{"tenant": d.tenant, "kind": k.name, "from": d.start, "to": d.start + daySeconds},
		Result: proto.Results{{Name: "l", Data: &level}, {Name: "b", Data: &start}, {Name: "v", Data: &version}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range version.Rows() {
				if level.Row(i) == "now" {
					now = version.Row(i)
					continue
				}
				current[bucket{level.Row(i), start.Row(i)}] = version.Row(i)
			}
			return nil
		},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("read versions: %w", err)
	}
	return now, current, nil
}

// publish makes rewritten buckets current: one insert for all levels, so that
// no query sees one level changed and another not.
func (r *Roller) publish(ctx context.Context, k kind, written []published) error {
	var (
		tenant  proto.ColStr
		kindCol = new(proto.ColEnum)
		level   = new(proto.ColEnum)
		start   proto.ColDateTime
		version proto.ColUInt64
	)
	for _, p := range written {
		for _, l := range []struct {
			name     string
			versions map[int64]uint64
		}{
			{"minute", p.minutes},
			{"quarter", p.quarters},
			{"quarter_user", p.quarters},
			{"day", p.days},
			{"day_user", p.days},
		} {
			for b, v := range l.versions {
				tenant.Append(p.day.tenant)
				kindCol.Append(k.name)
				level.Append(l.name)
				start.Append(time.Unix(b, 0))
				version.Append(v)
			}
		}
	}
	err := r.client.Insert(ctx, "bucket_versions", proto.Input{
		{Name: "tenant", Data: tenant},
		{Name: "kind", Data: kindCol},
		{Name: "level", Data: level},
		{Name: "bucket", Data: start},
		{Name: "version", Data: version},
	})
	if err != nil {
		return fmt.Errorf("publish versions: %w", err)
	}
	return nil
}
