package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/lease"
)

// Mark asks for a recomputation of every bucket of a period: the minutes that
// have raw rows and those that have a version. It covers all tenants when tenant
// is empty. The roller that runs beside the sink does the work, so that no two
// processes ever write the same bucket. Pending, asked with the returned request,
// says how far it has come.
func Mark(ctx context.Context, client *clickhouse.Client, tenant string, from, to time.Time) (Marked, error) {
	m := Marked{tenant: tenant, from: from, to: to}
	if !from.Before(to) {
		return m, fmt.Errorf("recompute: the period is empty: from %s must be before to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	var err error
	if m.at, err = lease.Now(ctx, client, Lease); err != nil {
		return m, err
	}
	// A month a statement: a mark carries the time before its statement began, and
	// must not be old when the roller gets to see it.
	for begin := from; begin.Before(to); {
		end := begin.AddDate(0, 1, 0)
		if end.After(to) {
			end = to
		}
		for _, k := range kinds {
			if err := markSpan(ctx, client, k, tenant, begin, end); err != nil {
				return m, err
			}
		}
		begin = end
	}
	return m, nil
}

// Marked is a recomputation that was asked for.
type Marked struct {
	tenant   string
	from, to time.Time
	at       uint64
}

func markSpan(ctx context.Context, client *clickhouse.Client, k kind, tenant string, from, to time.Time) error {
	mark, err := lease.Now(ctx, client, Lease)
	if err != nil {
		return err
	}
	err = client.Exec(ctx, fmt.Sprintf(`INSERT INTO bucket_marks (tenant, kind, minute, marked_at)
SELECT DISTINCT tenant, {kind:String}, minute, {mark:UInt64} FROM (
    SELECT tenant, toStartOfMinute(time) AS minute FROM %s
    WHERE time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
      AND ({tenant:String} = '' OR tenant = {tenant:String})
    UNION ALL
    SELECT tenant, bucket AS minute FROM bucket_versions
    WHERE kind = {kind:String} AND level = 'minute'
      AND bucket >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND bucket < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
      AND ({tenant:String} = '' OR tenant = {tenant:String})
)`, k.raw), map[string]any{"tenant": tenant, "kind": k.name, "from": from.UnixMilli(), "to": to.UnixMilli(), "mark": mark})
	if err != nil {
		return fmt.Errorf("mark %s buckets: %w", k.name, err)
	}
	return nil
}

// Pending returns how many of the marked minutes have not been recomputed since.
func Pending(ctx context.Context, client *clickhouse.Client, m Marked) (uint64, error) {
	var pending proto.ColUInt64
	err := client.Do(ctx, clickhouse.Query{
		SQL: `SELECT toUInt64(count()) AS pending
FROM (
    SELECT DISTINCT tenant, kind, minute FROM bucket_marks
    WHERE marked_at >= {at:UInt64} AND intDiv(marked_at, 600000000) >= intDiv({at:UInt64}, 600000000)
      AND minute >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND minute < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
      AND ({tenant:String} = '' OR tenant = {tenant:String})
) AS m
LEFT ANY JOIN (
    SELECT tenant, kind, bucket, max(version) AS version FROM bucket_versions
    WHERE level = 'minute' AND bucket >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND bucket < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    GROUP BY tenant, kind, bucket
) AS v ON m.tenant = v.tenant AND m.kind = v.kind AND m.minute = v.bucket
WHERE v.version <= {at:UInt64}`,
		Params: map[string]any{"tenant": m.tenant, "from": m.from.UnixMilli(), "to": m.to.UnixMilli(), "at": m.at},
		Result: proto.Results{{Name: "pending", Data: &pending}},
	})
	if err != nil {
		return 0, fmt.Errorf("count pending buckets: %w", err)
	}
	return pending.Row(0), nil
}
