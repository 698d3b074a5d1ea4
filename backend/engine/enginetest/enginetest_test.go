package enginetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/engine"
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

func TestParseAddress(t *testing.T) {
	for address, want := range map[string]engine.Endpoint{
		"db:9000": {
			Host: "db", TCPPort: 9000, HTTPPort: 8123, Database: "flowgauge",
			Writer: engine.User{Name: "default"}, Reader: engine.User{Name: "default"},
		},
		"clickhouse://u:p@127.0.0.1:1?http_port=2&reader=r:s": {
			Host: "127.0.0.1", TCPPort: 1, HTTPPort: 2, Database: "flowgauge",
			Writer: engine.User{Name: "u", Password: "p"}, Reader: engine.User{Name: "r", Password: "s"},
		},
	} {
		endpoint, err := parseAddress(address)
		require.NoError(t, err, address)
		require.Equal(t, want, endpoint, address)
	}
	for _, address := range []string{"db", "db:x", "clickhouse://db:1?http_port=x"} {
		_, err := parseAddress(address)
		require.ErrorContains(t, err, envAddress, address)
	}
}
