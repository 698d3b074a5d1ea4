package schema_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func TestMigrateByManyProcessesAtOnce(t *testing.T) {
	cfg := schematest.Config(t)
	var group errgroup.Group
	for range 5 {
		group.Go(func() error {
			client, err := clickhouse.New(cfg) // a client each, as processes have
			if err != nil {
				return err
			}
			defer client.Close()
			return schema.Migrate(t.Context(), client)
		})
	}
	require.NoError(t, group.Wait())

	client, err := clickhouse.New(cfg)
	require.NoError(t, err)
	defer client.Close()
	applied, err := schema.Applied(t.Context(), client)
	require.NoError(t, err)
	migrations, err := schema.Migrations()
	require.NoError(t, err)
	require.Len(t, applied, len(migrations))
	for _, m := range migrations {
		assert.Equal(t, m.Checksum, applied[m.Version], m.Name)
	}
	require.NoError(t, schema.Migrate(t.Context(), client), "a second time it does nothing")
}

func TestMigrateRefusesANewerDatabase(t *testing.T) {
	client := schematest.Client(t)
	require.NoError(t, client.Exec(t.Context(), "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'future', 'x')", nil))
	err := schema.Migrate(t.Context(), client)
	require.ErrorContains(t, err, "run a newer flowgauge")
}

func TestMigrateRefusesAnEditedMigration(t *testing.T) {
	client := schematest.Client(t)
	require.NoError(t, client.Exec(t.Context(), "ALTER TABLE schema_migrations UPDATE checksum = 'edited' WHERE version = 1 SETTINGS mutations_sync = 1", nil))
	require.ErrorContains(t, schema.Migrate(t.Context(), client), "migration 0001_events was changed")
}

// Every raw table must acknowledge an insert only when it is on disk, or the log
// would forget events that a power loss can take.
func TestAcceptedEventsAreFsynced(t *testing.T) {
	client := schematest.Client(t)
	for _, table := range []string{
		"executions", "executions_by_id", "steps", "inheriting_steps", "costs", "activity", "dead_letters", "ingest_log", "bucket_marks", "api_keys", "directory", "audit_log", "access_policies", "rollup_executions", "rollup_steps", "rollup_costs", "rollup_activity", "narrow_executions", "narrow_steps", "narrow_costs", "narrow_activity", "narrow_since", "execution_spans", "bucket_versions", "leases",
		"executions_history", "executions_baseline", "steps_history", "steps_baseline", "costs_history", "costs_baseline", "activity_history", "activity_baseline", "history_state",
	} {
		sql := createStatement(t, client, table)
		assert.Contains(t, sql, "fsync_after_insert = 1", table)
		assert.Contains(t, sql, "fsync_part_directory = 1", table)
	}
}

func TestClusterStatements(t *testing.T) {
	statements, err := schema.Statements("analytics", "flowgauge")
	require.NoError(t, err)
	text := strings.Join(statements, ";\n")
	assert.Contains(t, text, "CREATE TABLE IF NOT EXISTS executions_local ON CLUSTER `analytics`")
	assert.Contains(t, text, "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/flowgauge/{table}', '{replica}', version, deleted)")
	assert.Contains(t, text, "CREATE TABLE IF NOT EXISTS executions ON CLUSTER `analytics` AS executions_local ENGINE = Distributed(`analytics`, `flowgauge`, executions_local, cityHash64(tenant))")
	assert.Contains(t, text, "CREATE MATERIALIZED VIEW IF NOT EXISTS executions_by_id_mv ON CLUSTER `analytics` TO executions_by_id_local")
	for _, s := range statements {
		if strings.HasPrefix(s, "CREATE") {
			assert.Contains(t, s, "ON CLUSTER", "on a cluster nothing may exist on one node alone")
		}
	}
}

func TestLayoutsOfACluster(t *testing.T) {
	sharded, err := schema.Layout{Cluster: "analytics", Database: "flowgauge", Unreplicated: true}.Statements()
	require.NoError(t, err)
	text := strings.Join(sharded, ";\n")
	assert.NotContains(t, text, "ON CLUSTER", "there is no Keeper to carry it")
	assert.NotContains(t, text, "Replicated")
	assert.Contains(t, text, "ENGINE = ReplacingMergeTree(version, deleted)")
	assert.Contains(t, text, "CREATE TABLE IF NOT EXISTS executions AS executions_local ENGINE = Distributed(`analytics`, `flowgauge`, executions_local, cityHash64(tenant))")
	assert.Contains(t, text, "ENGINE = Distributed(`analytics`, `flowgauge`, schema_migrations_local, cityHash64(name))")

	alone, err := schema.Statements("", "flowgauge")
	require.NoError(t, err)
	text = strings.Join(alone, ";\n")
	assert.NotContains(t, text, "_local")
	assert.NotContains(t, text, "Distributed")
}

// A column that a later migration adds has to be in the Distributed table too; an
// index is the local table's alone.
func TestAlteredColumnsReachTheDistributedTable(t *testing.T) {
	const text = "ALTER TABLE {{table \"steps\"}}\n    ADD COLUMN IF NOT EXISTS queue String AFTER step_id;\nALTER TABLE {{table \"steps\"}} ADD INDEX IF NOT EXISTS i id TYPE minmax"
	statements, err := schema.Render(schema.Layout{Cluster: "c", Database: "d"}, text)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"ALTER TABLE steps_local ON CLUSTER `c`\n    ADD COLUMN IF NOT EXISTS queue String AFTER step_id",
		"ALTER TABLE steps ON CLUSTER `c`\n    ADD COLUMN IF NOT EXISTS queue String AFTER step_id",
		"ALTER TABLE steps_local ON CLUSTER `c` ADD INDEX IF NOT EXISTS i id TYPE minmax",
	}, statements)
}
