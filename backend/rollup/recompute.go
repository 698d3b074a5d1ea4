package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Mark asks for a recomputation of every bucket of a period: the minutes that
// have raw rows and those that have a version. It covers all tenants when tenant
// is empty. The roller that runs beside the sink does the work, so that no two
// processes ever write the same bucket.
func Mark(ctx context.Context, client *clickhouse.Client, tenant string, from, to time.Time) error {
	if !from.Before(to) {
		return fmt.Errorf("recompute: the period is empty: from %s must be before to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	for _, k := range kinds {
		err := client.Exec(ctx, fmt.Sprintf(`INSERT INTO bucket_marks (tenant, kind, minute)
SELECT DISTINCT tenant, {kind:String}, minute FROM (
    SELECT tenant, toStartOfMinute(time) AS minute FROM %s
    WHERE time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
      AND ({tenant:String} = '' OR tenant = {tenant:String})
    UNION ALL
    SELECT tenant, bucket AS minute FROM bucket_versions
    WHERE kind = {kind:String} AND level = 'minute'
      AND bucket >= toStartOfMinute(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND bucket < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
      AND ({tenant:String} = '' OR tenant = {tenant:String})
)`, k.raw), map[string]any{"tenant": tenant, "kind": k.name, "from": from.UnixMilli(), "to": to.UnixMilli()})
		if err != nil {
			return fmt.Errorf("mark %s buckets: %w", k.name, err)
		}
	}
	return nil
}

// Pending returns how many minutes are marked and not settled.
func Pending(ctx context.Context, client *clickhouse.Client) (uint64, error) {
	var pending proto.ColUInt64
	err := client.Do(ctx, clickhouse.Query{
		SQL: `SELECT toUInt64(count()) AS pending
FROM (SELECT tenant, kind, minute, max(marked_at) AS marked FROM bucket_marks GROUP BY tenant, kind, minute) AS m
LEFT ANY JOIN (
    SELECT tenant, kind, bucket, max(version) AS version FROM bucket_versions WHERE level = 'minute' GROUP BY tenant, kind, bucket
) AS v ON m.tenant = v.tenant AND m.kind = v.kind AND m.minute = v.bucket
WHERE m.marked >= v.version`,
		Result: proto.Results{{Name: "pending", Data: &pending}},
	})
	if err != nil {
		return 0, fmt.Errorf("count pending buckets: %w", err)
	}
	return pending.Row(0), nil
}
