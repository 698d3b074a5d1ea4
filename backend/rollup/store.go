package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/lease"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
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

// pendingSQL are the minutes of a kind that are not settled: tenant, minute and the
// last mark. The look-up of versions is restricted to marked buckets, which are few.
const (
	marksSQL = `SELECT tenant, minute, max(marked_at) AS marked FROM bucket_marks
WHERE kind = {kind:String} AND marked_at >= {since:UInt64} AND intDiv(marked_at, 600000000) >= intDiv({since:UInt64}, 600000000)
GROUP BY tenant, minute`
	pendingSQL = `(` + marksSQL + `) AS m
LEFT ANY JOIN (
    SELECT tenant, bucket, max(version) AS version FROM bucket_versions
    WHERE kind = {kind:String} AND level = 'minute' AND (tenant, bucket) IN (SELECT tenant, minute FROM (` + marksSQL + `))
    GROUP BY tenant, bucket
) AS v ON m.tenant = v.tenant AND m.minute = v.bucket
WHERE m.marked >= v.version`
)

// marked returns the minutes of a kind that are not settled.
func (l *leader) marked(ctx context.Context, k kind) ([]change, error) {
	var tenant proto.ColStr
	var minute proto.ColInt64
	var mark proto.ColUInt64
	var out []change
	err := l.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT m.tenant AS tenant, toInt64(toUnixTimestamp(m.minute)) AS minute, m.marked AS mark FROM " + pendingSQL,
		Params: map[string]any{"kind": k.name, "since": l.since},
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "minute", Data: &minute}, {Name: "mark", Data: &mark}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range minute.Rows() {
				out = append(out, change{bucket{Text: tenant.Row(i), Number: minute.Row(i)}, mark.Row(i)})
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read changed buckets: %w", err)
	}
	return out, nil
}

// remark marks again what is pending when a term begins, higher than every version
// that an earlier leader may still publish.
func (l *leader) remark(ctx context.Context) error {
	mark, err := lease.Now(ctx, l.client, Lease)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		err := l.client.Exec(ctx, "INSERT INTO bucket_marks (tenant, kind, minute, marked_at) SELECT m.tenant, {kind:String}, m.minute, {mark:UInt64} FROM "+pendingSQL,
			map[string]any{"kind": k.name, "since": uint64(0), "mark": mark})
		if err != nil {
			return fmt.Errorf("mark pending buckets again: %w", err)
		}
	}
	return nil
}

// versioned is a bucket with the version that a recomputation gives it.
type versioned struct {
	bucket
	level   string
	version uint64
}

// A version's lowest bits are its slot: the term, modulo their number, and one bit
// that differs from the bucket's current version. A roller shares its slots with
// one of 2,048 terms before, which would have to wake up in the middle of a
// recomputation after so many others have led.
const (
	slots   = 4096 // as in the sorting keys of the rollups
	termBit = 2
)

// rewrite writes all levels of a chunk under a new version and makes it current.
// When it fails the version is abandoned: no statement is repeated under it,
// because one whose answer was lost may have been carried out.
func (l *leader) rewrite(ctx context.Context, k kind, c chunk) error {
	began := time.Now()
	from, to := c.span()
	params := map[string]any{
		"kind": k.name, "from": from, "to": to,
		"minutes": c.minutes, "quarters": c.quarters, "days": c.days,
	}
	now, current, err := l.versions(ctx, params)
	if err != nil {
		return err
	}
	atLeast := max(now, c.mark+1)
	for _, v := range current {
		atLeast = max(atLeast, v+1)
	}
	version, err := l.term.Allocate(ctx, atLeast, slots)
	if err != nil {
		return fmt.Errorf("allocate a version: %w", err)
	}
	version |= l.term.Number() * termBit % slots
	params["version"] = version
	var rewritten []versioned
	for _, level := range []struct {
		level, odd string
		buckets    []bucket
	}{{"minute", "odd_minutes", c.minutes}, {"quarter", "odd_quarters", c.quarters}, {"day", "odd_days", c.days}} {
		odd := []bucket{}
		for _, b := range level.buckets {
			bit := 1 - current[at{level.level, b}]&1
			if bit == 1 {
				odd = append(odd, b)
			}
			rewritten = append(rewritten, versioned{bucket: b, level: level.level, version: version | bit})
		}
		params[level.odd] = odd
	}
	l.stage(allocated)
	statements := k.statements()
	if !c.unchanged {
		statements = append(statements, k.consequences()...)
	}
	for _, sql := range statements {
		if err := l.client.Exec(ctx, sql, params); err != nil {
			return err
		}
		l.stage(written)
	}
	l.metrics.duration.WithLabelValues(k.name).Observe(time.Since(began).Seconds())
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(l.delay):
	}
	// Not needed for the figures to be right, see the package's comment, but it
	// spares readers a version that is replaced at once.
	if err := l.term.Check(ctx); err != nil {
		return fmt.Errorf("publish versions: %w", err)
	}
	l.stage(checked)
	return l.publish(ctx, k, rewritten)
}

// stage is a point of a recomputation, at which tests stop it.
type stage int

const (
	allocated stage = iota
	written
	checked
)

// at is a bucket at one of the levels without users, whose versions the levels
// with users share.
type at struct {
	level string
	bucket
}

// versions returns the server's time in microseconds and the current versions
// of a chunk's buckets.
func (l *leader) versions(ctx context.Context, params map[string]any) (now uint64, current map[at]uint64, err error) {
	var level, tenant proto.ColStr
	var start proto.ColInt64
	var version proto.ColUInt64
	current = map[at]uint64{}
	err = l.client.Do(ctx, clickhouse.Query{
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
func (l *leader) publish(ctx context.Context, k kind, rewritten []versioned) error {
	var (
		tenant   proto.ColStr
		kindCol  = new(proto.ColEnum)
		level    = new(proto.ColEnum)
		start    proto.ColDateTime
		version  proto.ColUInt64
		writer   proto.ColUInt8
		levelsOf = map[string][]string{"minute": {"minute"}, "quarter": {"quarter", "quarter_user"}, "day": {"day", "day_user"}}
	)
	for _, v := range rewritten {
		for _, l := range levelsOf[v.level] {
			tenant.Append(v.Text)
			kindCol.Append(k.name)
			level.Append(l)
			start.Append(time.Unix(v.Number, 0))
			version.Append(v.version)
			writer.Append(schema.NarrowWriter)
		}
	}
	err := l.client.Insert(ctx, "bucket_versions", proto.Input{
		{Name: "tenant", Data: tenant},
		{Name: "kind", Data: kindCol},
		{Name: "level", Data: level},
		{Name: "bucket", Data: start},
		{Name: "version", Data: version},
		{Name: "writer", Data: writer},
	})
	if err != nil {
		return fmt.Errorf("publish versions: %w: %w", errUnknown, err)
	}
	return nil
}
