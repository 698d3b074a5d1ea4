package schema_test

import (
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

func createStatement(t *testing.T, client *clickhouse.Client, table string) string {
	t.Helper()
	var sql proto.ColStr
	require.NoError(t, client.Do(t.Context(), clickhouse.Query{
		SQL:    "SELECT create_table_query AS sql FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
		Params: map[string]any{"table": table},
		Result: proto.Results{{Name: "sql", Data: &sql}},
	}))
	require.Equal(t, 1, sql.Rows(), table)
	return sql.Row(0)
}
