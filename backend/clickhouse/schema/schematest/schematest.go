// Package schematest gives tests a client of a database of their own with all
// tables in it, on a real ClickHouse. The package under test hands its TestMain
// to enginetest.Main.
package schematest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

// Config returns how to reach a new, empty database.
func Config(t testing.TB) clickhouse.Config {
	t.Helper()
	endpoint := enginetest.Start(t)
	return clickhouse.Config{
		Addr:     endpoint.TCPAddr(),
		Database: enginetest.Database(t),
		User:     endpoint.Writer.Name,
		Password: endpoint.Writer.Password,
	}
}

// Client returns a client of a migrated database. Both go when the test ends.
func Client(t testing.TB) *clickhouse.Client {
	t.Helper()
	client, err := clickhouse.New(Config(t))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, schema.Migrate(t.Context(), client))
	return client
}
