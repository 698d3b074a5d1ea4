package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// serverTime returns the server's clock in microseconds.
func serverTime(ctx context.Context, client *clickhouse.Client) (uint64, error) {
	var now proto.ColUInt64
	err := client.Do(ctx, clickhouse.Query{
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
func (r *Roller) marked(ctx context.Context, k kind) ([]bucket, error) {
	const marks = `SELECT tenant, minute, max(marked_at) AS marked FROM bucket_marks
WHERE kind = {kind:String} AND marked_at >= {since:UInt64} AND intDiv(marked_at, 600000000) >= intDiv({since:UInt64}, 600000000)
GROUP BY tenant, minute`
	var tenant proto.ColStr
	var minute proto.ColInt64
	var out []bucket
	err := r.client.Do(ctx, clickhouse.Query{
		SQL: `SELECT m.tenant AS tenant, toInt64(toUnixTimestamp(m.minute)) AS minute
FROM (` + marks + `) AS m
LEFT ANY JOIN (
    SELECT tenant, bucket, max(version) AS version FROM bucket_versions
    WHERE kind = {kind:String} AND level = 'minute' AND (tenant, bucket) IN (SELECT tenant, minute FROM (` + marks + `))
    GROUP BY tenant, bucket
) AS v ON m.tenant = v.tenant AND m.minute = v.bucket
WHERE m.marked >= v.version`,
		Params: map[string]any{"kind": k.name, "since": r.since},
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "minute", Data: &minute}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range minute.Rows() {
				out = append(out, bucket{Text: tenant.Row(i), Number: minute.Row(i)})
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read changed buckets: %w", err)
	}
	return out, nil
}

// versioned is a bucket with the version that a recomputation gives it.
type versioned struct {
	bucket
	level   string
	version uint64
}

// rewrite writes all levels of a chunk under a new version and makes it current.
// When it fails the version is abandoned: no statement is repeated under it,
// because one whose answer was lost may have been carried out.
func (r *Roller) rewrite(ctx context.Context, k kind, c chunk) error {
	began := time.Now()
	from, to := c.span()
	params := map[string]any{
		"kind": k.name, "from": from, "to": to,
		"minutes": c.minutes, "quarters": c.quarters, "days": c.days,
	}
	now, current, err := r.versions(ctx, params)
	if err != nil {
		return err
	}
	now &^= 1
	params["version"] = now
	var rewritten []versioned
	for _, l := range []struct {
		level, odd string
		buckets    []bucket
	}{{"minute", "odd_minutes", c.minutes}, {"quarter", "odd_quarters", c.quarters}, {"day", "odd_days", c.days}} {
		odd := []bucket{}
		for _, b := range l.buckets {
			slot := 1 - current[at{l.level, b}]&1
			if slot == 1 {
				odd = append(odd, b)
			}
			rewritten = append(rewritten, versioned{bucket: b, level: l.level, version: now | slot})
		}
		params[l.odd] = odd
	}
	for _, sql := range k.statements() {
		if err := r.client.Exec(ctx, sql, params); err != nil {
			return err
		}
	}
	r.metrics.duration.WithLabelValues(k.name).Observe(time.Since(began).Seconds())
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(publishDelay):
	}
	return r.publish(ctx, k, rewritten)
}

// at is a bucket at one of the levels without users, whose versions the levels
// with users share.
type at struct {
	level string
	bucket
}

// versions returns the server's time in microseconds and the current versions
// of a chunk's buckets.
func (r *Roller) versions(ctx context.Context, params map[string]any) (now uint64, current map[at]uint64, err error) {
	var level, tenant proto.ColStr
	var start proto.ColInt64
	var version proto.ColUInt64
	current = map[at]uint64{}
	err = r.client.Do(ctx, clickhouse.Query{
		SQL: `SELECT toString(level) AS l, tenant AS t, toInt64(toUnixTimestamp(bucket)) AS b, max(version) AS v FROM bucket_versions
WHERE kind = {kind:String} AND ` + bucketsInSpan + ` AND (
    level = 'minute' AND ` + in("bucket", "minutes") + ` OR level = 'quarter' AND ` + in("bucket", "quarters") + ` OR level = 'day' AND ` + in("bucket", "days") + `)
GROUP BY level, tenant, bucket
UNION ALL
SELECT 'now', '', 0, toUInt64(toUnixTimestamp64Micro(now64(6)))`,
		Params: params,
		Result: proto.Results{{Name: "l", Data: &level}, {Name: "t", Data: &tenant}, {Name: "b", Data: &start}, {Name: "v", Data: &version}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range version.Rows() {
				if level.Row(i) == "now" {
					now = version.Row(i)
					continue
				}
				current[at{level.Row(i), bucket{Text: tenant.Row(i), Number: start.Row(i)}}] = version.Row(i)
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
func (r *Roller) publish(ctx context.Context, k kind, rewritten []versioned) error {
	var (
		tenant   proto.ColStr
		kindCol  = new(proto.ColEnum)
		level    = new(proto.ColEnum)
		start    proto.ColDateTime
		version  proto.ColUInt64
		levelsOf = map[string][]string{"minute": {"minute"}, "quarter": {"quarter", "quarter_user"}, "day": {"day", "day_user"}}
	)
	for _, v := range rewritten {
		for _, l := range levelsOf[v.level] {
			tenant.Append(v.Text)
			kindCol.Append(k.name)
			level.Append(l)
			start.Append(time.Unix(v.Number, 0))
			version.Append(v.version)
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
