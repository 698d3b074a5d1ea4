package rollup

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// asBefore makes a database what one is that was rolled up before there were narrow
// rollups.
func asBefore(t *testing.T, client *clickhouse.Client) {
	t.Helper()
	for _, k := range kinds {
		run(t, client, "TRUNCATE TABLE "+k.narrow)
	}
	run(t, client, "TRUNCATE TABLE narrow_since")
}

func since(t *testing.T, client *clickhouse.Client, kind string) []string {
	t.Helper()
	return lines(t, client, "SELECT toString(since) AS line FROM narrow_since WHERE kind = '"+kind+"' ORDER BY since DESC")
}

// A database from before gets its narrow rollups day by day, the newest first, and new
// events meanwhile; what is rolled up does not change.
func TestOlderBucketsGetNarrowRollups(t *testing.T) {
	r, client := newRoller(t)
	r.delay = 0
	ctx := t.Context()
	load := newLoad(5)
	for _, table := range tables {
		load.insert(t, client, table, 40)
	}
	for _, day := range []string{"2023-12-30", "2024-02-29", "2024-03-01"} {
		run(t, client, insertExecution+fmt.Sprintf("('t', '%s 23:59:59.999', '%s', 'terminal', 'w', 1, 'u', 'api', 'completed', 5, 3, '', 1, 0)", day, day))
		run(t, client, "INSERT INTO bucket_marks (tenant, kind, minute) VALUES ('t', 'execution', '"+day+" 23:59:00')")
	}
	for range 3 {
		_, err := r.Settle(ctx)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"1970-01-01 00:00:00"}, since(t, client, "execution"), "a new database has no older buckets")
	asBefore(t, client)
	r.chunk = 20 // some days a step

	term, err := r.lease.Acquire(ctx)
	require.NoError(t, err)
	l := r.leader(term)
	require.NoError(t, l.start(ctx))
	done, err := l.fill(ctx)
	require.NoError(t, err)
	require.False(t, done)
	require.Len(t, since(t, client, "execution"), 1)
	require.NotEqual(t, []string{"1970-01-01 00:00:00"}, since(t, client, "execution"))
	term.Release()

	load.insert(t, client, "executions", 20) // also into days that are not done
	for range 3 {
		_, err = r.Settle(ctx)
		require.NoError(t, err)
	}
	for _, k := range kinds {
		steps := since(t, client, k.name)
		require.Greater(t, len(steps), 1, k.name)
		require.Equal(t, "1970-01-01 00:00:00", steps[len(steps)-1], k.name)
	}
	requireRollupsEqualRecount(t, client)
	n, err := r.Settle(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
}

// A process from before that still runs does not make buckets current that have no
// narrow rows.
func TestARollerFromBeforeCannotPublish(t *testing.T) {
	_, client := newRoller(t)
	err := client.Exec(t.Context(), "INSERT INTO bucket_versions (tenant, kind, level, bucket, version) VALUES ('t', 'cost', 'minute', '2024-01-01 00:00:00', 4096)", nil)
	require.ErrorContains(t, err, "has_narrow_rows")
}
