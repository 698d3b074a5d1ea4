package clustertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

func TestMigrateByBothNodesAtOnce(t *testing.T) {
	c := startCluster(t, nothing)
	var group errgroup.Group
	for i := range 6 {
		group.Go(func() error {
			client, err := clickhouse.New(c.config(i % 2))
			if err != nil {
				return err
			}
			defer client.Close()
			return schema.Migrate(t.Context(), client)
		})
	}
	require.NoError(t, group.Wait())

	const tables = "SELECT concat(name, ' ', engine) AS line FROM system.tables WHERE database = 'flowgauge' AND name NOT LIKE '.inner%' ORDER BY line"
	one, two := c.client(t, 0), c.client(t, 1)
	want := lines(t, one, tables)
	require.Equal(t, want, lines(t, two, tables))
	for _, name := range []string{"executions", "bucket_marks", "schema_migrations"} {
		require.Contains(t, want, name+" Distributed")
	}
	require.Contains(t, want, "executions_local ReplacingMergeTree")

	migrations, err := schema.Migrations()
	require.NoError(t, err)
	for _, client := range []*clickhouse.Client{one, two} {
		applied, err := schema.Applied(t.Context(), client)
		require.NoError(t, err)
		require.Len(t, applied, len(migrations))
	}

	// Again it does nothing: nothing is created, and nothing noted.
	const noted = "SELECT toString(count()) AS line FROM schema_migrations"
	before := lines(t, one, noted)
	require.NoError(t, schema.Migrate(t.Context(), one))
	require.NoError(t, schema.Migrate(t.Context(), two))
	require.Equal(t, before, lines(t, one, noted))
}

// What was acknowledged is on the disk of its shard: Distributed tables put
// nothing aside, and the local ones sync.
func TestLocalTablesAreFsynced(t *testing.T) {
	c := startCluster(t, nothing)
	client := c.client(t, 1)
	require.NoError(t, schema.Migrate(t.Context(), client))
	for _, name := range []string{"executions", "steps", "costs", "activity", "dead_letters", "bucket_marks", "bucket_versions", "rollup_executions", "narrow_executions", "execution_spans", "api_keys", "schema_migrations"} {
		sql := strings.Join(lines(t, client, "SELECT create_table_query AS line FROM system.tables WHERE database = 'flowgauge' AND name = '"+name+"_local'"), "")
		assert.Contains(t, sql, "fsync_after_insert = 1", name)
		assert.Contains(t, sql, "fsync_part_directory = 1", name)
	}
}

// The engine here has no way for replicas to fetch from each other, so it lets
// nobody write to Replicated tables. That it makes them, under a path of their own
// each, is what can be seen of them.
func TestReplicatedTablesAreRegisteredWithKeeper(t *testing.T) {
	keeper := servertest.ZooKeeper(t)
	c := startCluster(t, func(node int) string {
		return fmt.Sprintf("<zookeeper><node><host>127.0.0.1</host><port>%d</port></node></zookeeper><macros><shard>%d</shard><replica>r%d</replica></macros>",
			keeper.Port(), node+1, node+1)
	})
	statements, err := schema.Statements(clusterName, database)
	require.NoError(t, err)
	for node := range c.nodes {
		client := c.client(t, node)
		for _, s := range statements {
			if strings.HasPrefix(s, "INSERT ") {
				continue // about rows, of which there are none
			}
			// DDL's way through Keeper is the server's alone; here each node is told.
			err := client.Exec(t.Context(), strings.Replace(s, " ON CLUSTER `"+clusterName+"`", "", 1), nil)
			if strings.HasPrefix(s, "ALTER TABLE ") && strings.Contains(s, "_local ") {
				require.ErrorContains(t, err, "Table is in readonly mode", s) // as for whoever writes
				continue
			}
			require.NoError(t, err, s)
		}
		registered := lines(t, client, "SELECT concat(table, ' ', zookeeper_path, ' ', replica_path) AS line FROM system.replicas WHERE database = 'flowgauge' ORDER BY line")
		local := lines(t, client, "SELECT name AS line FROM system.tables WHERE database = 'flowgauge' AND name LIKE '%\\_local' ORDER BY line")
		require.NotEmpty(t, local)
		var want []string
		for _, name := range local {
			path := fmt.Sprintf("/clickhouse/tables/%d/flowgauge/%s", node+1, name)
			want = append(want, fmt.Sprintf("%s %s %s/replicas/r%d", name, path, path, node+1))
		}
		require.Equal(t, want, registered)
	}
}

func TestAlterReachesBothShards(t *testing.T) {
	c := startCluster(t, nothing)
	client := c.client(t, 0)
	require.NoError(t, schema.Migrate(t.Context(), client))
	for _, day := range []string{"2026-01-01", "2026-01-02"} {
		require.NoError(t, client.Exec(t.Context(), `INSERT INTO bucket_marks (tenant, kind, minute, marked_at)
SELECT toString(number), 'cost', '2025-12-31 00:00:00', toUnixTimestamp64Micro(toDateTime64('`+day+` 12:00:00', 6, 'UTC')) FROM numbers(20)`, nil))
	}
	require.NoError(t, schema.Alter(t.Context(), client, "bucket_marks", "DROP PARTITION '2026-01-01'"))
	for node := range c.nodes {
		require.Equal(t, []string{"20 2026-01-02"}, lines(t, c.client(t, node),
			"SELECT concat(toString(count()), ' ', toString(toDate(fromUnixTimestamp64Micro(toInt64(marked_at), 'UTC')) AS day)) AS line FROM bucket_marks GROUP BY day"))
	}
}

func TestQuorum(t *testing.T) {
	c := startCluster(t, nothing)
	for name, want := range map[string]int{"": 0, clusterName: 0, "of_two": 2, "of_three": 2} {
		cfg := c.config(0)
		cfg.Cluster, cfg.Unreplicated = name, false
		quorum, err := open(t, cfg).Quorum(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, quorum, name)
	}
}
