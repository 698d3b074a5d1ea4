package schema_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/event"
)

// On both sides of every bucket's bound up to a century the database and the
// collector agree.
func TestBucketsInSQLAreThoseOfTheCollector(t *testing.T) {
	client := schematest.Client(t)
	values := []int64{-5, 0, 1, 2, 3}
	for i := event.DurationBucket(1); ; i++ {
		_, upper := event.BucketBounds(i)
		ms := int64(math.Floor(upper * 1000))
		if ms > 100*366*24*3600*1000 {
			break
		}
		values = append(values, max(ms-1, 1), ms, ms+1)
	}
	require.Greater(t, len(values), 1000)
	var block proto.ColInt16
	var got []int16
	require.NoError(t, client.Do(t.Context(), clickhouse.Query{
		SQL:    "SELECT " + schema.DurationBucket("ms") + " AS bucket FROM (SELECT arrayJoin({values:Array(Int64)}) AS ms)",
		Params: map[string]any{"values": values},
		Result: proto.Results{{Name: "bucket", Data: &block}},
		OnResult: func(context.Context, proto.Block) error {
			got = append(got, block...)
			return nil
		},
	}))
	require.Len(t, got, len(values))
	for i, ms := range values {
		require.Equal(t, event.DurationBucket(ms), got[i], "%d ms", ms)
	}
}

// Rollups from before the columns of queue time were there are computed again
// where they are wrong, and only there.
func TestRollupsWithoutQueueTimesAreMarked(t *testing.T) {
	client := schematest.Client(t)
	run := func(sql string) { require.NoError(t, client.Exec(t.Context(), sql, nil)) }
	const stamp = uint64(9_000_000_000_000_000) // of a clock that has been set back since
	run(fmt.Sprintf("INSERT INTO leases (tenant, name, term, claim, stamp) VALUES ('', 'rollup', 1, 'c', %d)", stamp))
	run(`INSERT INTO executions (tenant, time, id, phase, status, queued_time, attempt, version) VALUES
('a', '2026-01-01 00:00:59.999', 'queued', 'terminal', 'completed', '2026-01-01 00:00:01', 0, 1),
('a', '2026-01-01 00:01:00', 'again', 'terminal', 'failed', 0, 2, 1),
('a', '2026-01-01 00:02:00', 'plain', 'terminal', 'failed', 0, 1, 1),
('a', '2026-01-01 00:03:00', 'begun', 'started', 'started', '2026-01-01 00:00:01', 2, 1)`)
	run(`INSERT INTO steps (tenant, time, id, status, queued_time, attempt, version) VALUES
('b', '2026-01-02 00:00:30', 'queued', 'completed', '2026-01-01 00:00:01', 0, 1),
('b', '2026-01-02 00:00:31', 'queued too', 'completed', '2026-01-01 00:00:01', 0, 1),
('b', '2026-01-02 00:01:00', 'again', 'failed', 0, 3, 1),
('b', '2026-01-02 00:02:00', 'plain', 'failed', 0, 0, 1)`)
	run("ALTER TABLE schema_migrations DELETE WHERE name = 'queue' SETTINGS mutations_sync = 1")
	require.NoError(t, schema.Migrate(t.Context(), client))
	var line proto.ColStr
	var lowest proto.ColUInt64
	require.NoError(t, client.Do(t.Context(), clickhouse.Query{
		SQL: `SELECT arrayStringConcat(arraySort(groupArray(concat(tenant, ' ', toString(kind), ' ', toString(minute)))), '\n') AS line,
    min(marked_at) AS lowest FROM bucket_marks`,
		Result: proto.Results{{Name: "line", Data: &line}, {Name: "lowest", Data: &lowest}},
	}))
	require.Equal(t, []string{
		"a execution 2026-01-01 00:00:00", "a execution 2026-01-01 00:01:00",
		"b step 2026-01-02 00:00:00", "b step 2026-01-02 00:01:00",
	}, strings.Split(line.Row(0), "\n"))
	require.Greater(t, lowest.Row(0), stamp)
}
