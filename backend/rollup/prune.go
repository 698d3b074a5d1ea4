package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// keepMarks is how long settled marks are kept. Queries look a week back.
const keepMarks = 8 * 24 * time.Hour

// prune drops the days of marks that are all settled. A new mark never gets the
// time of such a day, because its stamp is higher than this term's, so what was
// settled when it was looked at still is when it is dropped. A day with a bucket
// that cannot be recomputed stays.
func (l *leader) prune(ctx context.Context) error {
	before, keep := l.term.Stamp(), uint64(keepMarks.Microseconds())
	if before <= keep {
		return nil
	}
	before -= keep
	var day proto.ColStr
	var days []string
	err := l.client.Do(ctx, clickhouse.Query{
		SQL: `SELECT toString(m.day) AS day
FROM (
    SELECT tenant, kind, minute, toDate(fromUnixTimestamp64Micro(toInt64(marked_at), 'UTC')) AS day, max(marked_at) AS marked FROM bucket_marks
    WHERE marked_at < {before:UInt64} AND day < toDate(fromUnixTimestamp64Micro(toInt64({before:UInt64}), 'UTC'))
    GROUP BY tenant, kind, minute, day
) AS m
LEFT ANY JOIN (
    SELECT tenant, kind, bucket, max(version) AS version FROM bucket_versions
    WHERE level = 'minute' AND (tenant, kind, bucket) IN (SELECT tenant, kind, minute FROM bucket_marks WHERE marked_at < {before:UInt64})
    GROUP BY tenant, kind, bucket
) AS v ON m.tenant = v.tenant AND m.kind = v.kind AND m.minute = v.bucket
GROUP BY m.day HAVING countIf(m.marked >= v.version) = 0 ORDER BY day`,
		Params: map[string]any{"before": before},
		Result: proto.Results{{Name: "day", Data: &day}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range day.Rows() {
				days = append(days, day.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("read old marks: %w", err)
	}
	for _, d := range days {
		if err := schema.Alter(ctx, l.client, "bucket_marks", "DROP PARTITION '"+d+"'"); err != nil {
			return fmt.Errorf("drop the marks of %s: %w", d, err)
		}
		l.log.Info("dropped old marks", "day", d)
	}
	return nil
}
