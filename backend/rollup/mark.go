package rollup

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/lease"
)

// The server stamps the marks in the statement that inserts them, not a moment
// before: a process that is stopped in between would insert marks so old that a
// roller does not look for them any more.
var insertMarks = `INSERT INTO bucket_marks (tenant, kind, minute, marked_at)
SELECT tenant, kind, minute, ` + lease.Stamp(Lease) + ` FROM input('tenant String, kind Enum8(\'execution\' = 1, \'step\' = 2, \'cost\' = 3, \'activity\' = 4), minute DateTime') FORMAT Native`

// Database is what InsertMarks needs of clickhouse.Client.
type Database interface {
	Do(ctx context.Context, q clickhouse.Query) error
}

// InsertMarks says that raw rows of some minutes change, or have changed. Its
// input has the columns tenant, kind and minute, as the table has them.
func InsertMarks(ctx context.Context, db Database, input proto.Input) error {
	err := db.Do(ctx, clickhouse.Query{SQL: insertMarks, Input: input, Settings: lease.Consistent})
	if err != nil {
		return fmt.Errorf("mark changed minutes: %w", err)
	}
	return nil
}
