package enginetest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func TestDatabase(t *testing.T) {
	endpoint := Start(t)
	name := Database(t)
	require.NotEqual(t, name, Database(t))

	ctx := t.Context()
	require.NoError(t, endpoint.Exec(ctx, "CREATE TABLE "+name+".audit_log (n Int32) ENGINE = MergeTree ORDER BY n"))
	require.NoError(t, endpoint.Exec(ctx, "INSERT INTO "+name+".audit_log VALUES (42)"))
	text, err := endpoint.QueryAs(ctx, endpoint.Reader, "SELECT n FROM "+name+".audit_log")
	require.NoError(t, err)
	require.Equal(t, "42\n", text)
	_, err = endpoint.QueryAs(ctx, endpoint.Reader, "INSERT INTO "+name+".audit_log VALUES (42)")
	require.NoError(t, err)
}
