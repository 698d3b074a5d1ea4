package rollup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func newRoller(t *testing.T) (*Roller, *clickhouse.Client) {
	t.Helper()
	client := schematest.Client(t)
	r, err := New(Config{Client: client})
	require.NoError(t, err)
	return r, client
}

func run(t *testing.T, client *clickhouse.Client, sql string) {
	t.Helper()
	require.NoError(t, client.Exec(t.Context(), sql, nil))
}

// lines returns a query's only column.
func lines(t *testing.T, client *clickhouse.Client, sql string) []string {
	t.Helper()
	var col proto.ColStr
	var out []string
	require.NoError(t, client.Do(t.Context(), clickhouse.Query{
		SQL:    sql,
		Result: proto.Results{{Name: "line", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range col.Rows() {
				out = append(out, col.Row(i))
			}
			return nil
		},
	}))
	return out
}

// current is what queries see of a rollup table.
func current(k kind) string {
	return fmt.Sprintf(`SELECT * FROM %s WHERE (tenant, level, bucket, version) IN (
    SELECT tenant, level, bucket, max(version) FROM bucket_versions WHERE kind = '%s' GROUP BY tenant, level, bucket)`, k.rollup, k.name)
}

// recount computes a level from raw rows in another way than the roller does:
// in one statement over everything, without buckets, versions or finer levels.
func recount(k kind, bucket, user, raw string) string {
	sql := "SELECT toString(tuple(tenant, " + bucket + " AS b"
	for _, d := range k.dims {
		sql += ", " + d
	}
	sql += ", " + user + " AS u"
	for _, m := range k.measures {
		sql += ", " + m.raw
	}
	sql += ")) AS line FROM (" + raw + ") AS r GROUP BY tenant, b, u"
	for _, d := range k.dims {
		sql += ", " + d
	}
	return sql + " ORDER BY line"
}

func requireRollupsEqualRecount(t *testing.T, client *clickhouse.Client) {
	t.Helper()
	for _, k := range kinds {
		raw := "SELECT * FROM " + k.raw + " FINAL"
		if k.name == "step" {
			raw = `SELECT s.* EXCEPT (workflow_id, workflow_version, user_id),
    if(s.workflow_id != '', s.workflow_id, e.workflow_id) AS workflow_id,
    if(s.workflow_version != 0, s.workflow_version, e.workflow_version) AS workflow_version,
    if(s.user_id != '', s.user_id, e.user_id) AS user_id
FROM (SELECT * FROM steps FINAL) AS s LEFT ANY JOIN (
    SELECT tenant, id, argMax(workflow_id, version) AS workflow_id, argMaxIf(workflow_version, version, workflow_version > 0) AS workflow_version, argMaxIf(user_id, version, user_id != '') AS user_id
    FROM executions FINAL GROUP BY tenant, id
) AS e ON s.tenant = e.tenant AND s.execution_id = e.id`
		}
		for _, level := range []struct{ name, bucket, user string }{
			{"minute", "toStartOfMinute(time)", "''"},
			{"quarter", "toStartOfFifteenMinutes(time)", "''"},
			{"quarter_user", "toStartOfFifteenMinutes(time)", "r.user_id"},
			{"day", "toDateTime(toStartOfDay(time, 'UTC'), 'UTC')", "''"},
			{"day_user", "toDateTime(toStartOfDay(time, 'UTC'), 'UTC')", "r.user_id"},
		} {
			got := "SELECT toString(tuple(tenant, bucket"
			for _, d := range k.dims {
				got += ", " + d
			}
			got += ", user_id"
			for _, m := range k.measures {
				got += ", " + m.name
			}
			got += ")) AS line FROM (" + current(k) + ") WHERE level = '" + level.name + "' ORDER BY line"
			want := lines(t, client, recount(k, level.bucket, level.user, raw))
			require.Equal(t, want, lines(t, client, got), "%s of %s", level.name, k.name)
			for _, n := range schema.Narrows[k.name] {
				if n.Has(level.name) {
					requireNarrowEqualsRecount(t, client, k, n, level.name, level.bucket, raw)
				}
			}
		}
	}
}

// requireNarrowEqualsRecount groups raw rows by what a narrow rollup keeps alone.
func requireNarrowEqualsRecount(t *testing.T, client *clickhouse.Client, k kind, n schema.Narrow, level, bucket, raw string) {
	t.Helper()
	keep := strings.Join(n.Keep, ", ")
	var dropped, names, expressions []string
	for _, c := range k.keptColumns() {
		if !slices.Contains(n.Keep, c) {
			dropped = append(dropped, c+" != defaultValueOfArgumentType("+c+")")
		}
	}
	for _, m := range k.measures {
		names, expressions = append(names, m.name), append(expressions, m.raw)
	}
	want := lines(t, client, "SELECT toString(tuple(tenant, "+bucket+" AS b, "+keep+", "+strings.Join(expressions, ", ")+")) AS line FROM ("+raw+") AS r GROUP BY tenant, b, "+keep+" ORDER BY line")
	rows := fmt.Sprintf(`FROM %s WHERE kept = '%s' AND level = '%s' AND (tenant, level, bucket, version) IN (
    SELECT tenant, level, bucket, max(version) FROM bucket_versions WHERE kind = '%s' GROUP BY tenant, level, bucket)`, k.narrow, n.Name, level, k.name)
	require.Equal(t, want, lines(t, client, "SELECT toString(tuple(tenant, bucket, "+keep+", "+strings.Join(names, ", ")+")) AS line "+rows+" ORDER BY line"), "%s %s of %s", n.Name, level, k.name)
	require.NotEmpty(t, dropped)
	require.Equal(t, []string{"0"}, lines(t, client, "SELECT toString(countIf("+strings.Join(dropped, " OR ")+")) AS line "+rows), "what is not kept is empty")
}

const insertExecution = `INSERT INTO executions (tenant, time, id, phase, workflow_id, workflow_version, user_id, trigger_type, status, duration_ms, duration_bucket, error_type, version, deleted) VALUES `

func TestAGroupThatVanishesFromItsBucketVanishesFromTheFigures(t *testing.T) {
	r, client := newRoller(t)
	ctx := t.Context()
	row := func(workflow string, version int) {
		run(t, client, insertExecution+fmt.Sprintf("('t', '2024-02-29 23:59:59.999', 'e1', 'terminal', '%s', 1, 'u', 'api', 'completed', 5, 3, '', %d, 0)", workflow, version))
		run(t, client, "INSERT INTO bucket_marks (tenant, kind, minute) VALUES ('t', 'execution', '2024-02-29 23:59:00')")
	}
	row("wrong", 1)
	n, err := r.Settle(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	row("right", 2)
	_, err = r.Settle(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"right"}, lines(t, client, "SELECT DISTINCT workflow_id AS line FROM ("+current(kinds[0])+")"))
	n, err = r.Settle(ctx)
	require.NoError(t, err)
	require.Zero(t, n, "everything is settled")

	run(t, client, "OPTIMIZE TABLE rollup_executions FINAL")
	run(t, client, "OPTIMIZE TABLE narrow_executions FINAL")
	requireRollupsEqualRecount(t, client)
}

func TestAnExecutionThatComesLaterReachesItsSteps(t *testing.T) {
	r, client := newRoller(t)
	ctx := t.Context()
	run(t, client, `INSERT INTO steps (tenant, time, id, execution_id, step_id, step_type, status, duration_ms, duration_bucket, credits, version, deleted)
VALUES ('t', '2024-01-01 10:00:00', 's1', 'e1', 'fetch', 'http', 'completed', 10, 1, 0.5, 1, 0)`)
	run(t, client, "INSERT INTO bucket_marks (tenant, kind, minute) VALUES ('t', 'step', '2024-01-01 10:00:00')")
	_, err := r.Settle(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"/0/"}, lines(t, client, "SELECT DISTINCT concat(workflow_id, '/', toString(workflow_version), '/', user_id) AS line FROM ("+current(kinds[1])+") WHERE level = 'day_user'"))

	// A year later.
	run(t, client, insertExecution+"('t', '2025-01-01 12:00:00', 'e1', 'terminal', 'w', 7, 'u', 'api', 'completed', 5, 3, '', 2, 0)")
	run(t, client, "INSERT INTO bucket_marks (tenant, kind, minute) VALUES ('t', 'execution', '2025-01-01 12:00:00')")
	_, err = r.Settle(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"w/7/u"}, lines(t, client, "SELECT DISTINCT concat(workflow_id, '/', toString(workflow_version), '/', user_id) AS line FROM ("+current(kinds[1])+") WHERE level = 'day_user'"))
	requireRollupsEqualRecount(t, client)
}

func TestSpans(t *testing.T) {
	r, client := newRoller(t)
	run(t, client, insertExecution+`
('t', '2024-01-01 10:00:00', 'open', 'started', 'w', 1, 'u', 'api', 'started', 0, 0, '', 1, 0),
('t', '2024-01-01 10:01:00', 'over', 'started', 'w', 1, 'u', 'api', 'started', 0, 0, '', 2, 0),
('t', '2024-01-03 10:00:00', 'over', 'terminal', 'w', 1, 'u', 'api', 'failed', 9, 3, 'x', 3, 0),
('t', '2024-01-01 10:02:00', 'unstarted', 'terminal', 'w', 1, 'u', 'api', 'failed', 9, 3, 'x', 4, 0),
('t', '2024-01-01 10:03:00', 'twice', 'started', 'w', 1, 'u', 'api', 'started', 0, 0, '', 5, 0),
('t', '2024-01-01 10:04:00', 'twice', 'started', 'w', 1, 'u', 'api', 'started', 0, 0, '', 6, 0),
('t', '2024-01-01 10:05:00', 'withdrawn', 'started', 'w', 1, 'u', 'api', 'started', 0, 0, '', 7, 0)`)
	mark := "INSERT INTO bucket_marks (tenant, kind, minute) SELECT DISTINCT tenant, 'execution', toStartOfMinute(time) FROM executions"
	run(t, client, mark)
	_, err := r.Settle(t.Context())
	require.NoError(t, err)
	running := func(at string) []string {
		return lines(t, client, "SELECT id AS line FROM execution_spans FINAL WHERE started_at <= '"+at+"' AND ended_at > '"+at+"' ORDER BY id")
	}
	assert.Equal(t, []string{"open", "over", "twice", "withdrawn"}, running("2024-01-02 00:00:00"))
	assert.Equal(t, []string{"open", "twice", "withdrawn"}, running("2024-01-03 10:00:00"))
	assert.Equal(t, []string{"open", "over"}, running("2024-01-01 10:01:00"))

	run(t, client, insertExecution+"('t', '2024-01-01 10:05:00', 'withdrawn', 'started', 'w', 1, 'u', 'api', 'started', 0, 0, '', 8, 1)")
	run(t, client, mark)
	_, err = r.Settle(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"open", "over", "twice"}, running("2024-01-02 00:00:00"))
}

// Random events of all kinds, delivered in any order, twice, corrected and
// deleted, rolled up at random moments: the rollups equal a recount.
func TestRollupsEqualRecount(t *testing.T) {
	r, client := newRoller(t)
	load := newLoad(1)
	for range 4 {
		for _, k := range []string{"executions", "steps", "costs", "activity"} {
			load.insert(t, client, k, 100)
			if load.rng.IntN(3) == 0 {
				_, err := r.Settle(t.Context())
				require.NoError(t, err)
			}
		}
	}
	base := load.base
	for range 3 { // what executions mark is settled in the same round or the next
		_, err := r.Settle(t.Context())
		require.NoError(t, err)
	}
	requireRollupsEqualRecount(t, client)
	n, err := r.Settle(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "everything is settled")

	// By hand, over everything: nothing changes, and merges take nothing away.
	marked, err := Mark(t.Context(), client, "", base.AddDate(-3, 0, 0), base.AddDate(1, 0, 0))
	require.NoError(t, err)
	pending, err := Pending(t.Context(), client, marked)
	require.NoError(t, err)
	require.Positive(t, pending)
	n, err = r.Settle(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, pending, n)
	pending, err = Pending(t.Context(), client, marked)
	require.NoError(t, err)
	require.Zero(t, pending)
	for _, k := range kinds {
		run(t, client, "OPTIMIZE TABLE "+k.rollup+" FINAL")
		run(t, client, "OPTIMIZE TABLE "+k.narrow+" FINAL")
		run(t, client, "OPTIMIZE TABLE "+k.raw+" FINAL")
	}
	requireRollupsEqualRecount(t, client)
}
