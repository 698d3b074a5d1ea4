package check_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/engine"
)

// externalS3 names a bucket of a real S3 server (its URL, ending in "/") in the place of
// the one in this process; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are its keys.
const externalS3 = "FLOWGAUGE_TEST_S3"

// database is a ClickHouse with the accounts and disks of the compose file.
type database struct {
	engine.Endpoint
	admin engine.User
}

// startDatabase starts one. The embedded engine reads the folders config.d and users.d
// beside its own files, as a server does; its own accounts make room for those of the
// compose file, and it needs "default", which the image takes away.
func startDatabase(t *testing.T, dir string) database {
	t.Helper()
	project := compose(t)
	admin := engine.User{Name: "flowgauge_admin", Password: read(t, filepath.Join(dir, "clickhouse_admin"))}
	variables := map[string]string{"ADMIN_PASSWORD": admin.Password}
	for name, value := range environment(project.Services["clickhouse"], dir) {
		if variable, is := strings.CutSuffix(name, "__SHA256_FILE"); is {
			hash := sha256.Sum256([]byte(read(t, value)))
			variables[variable] = hex.EncodeToString(hash[:])
		} else if variable, is := strings.CutSuffix(name, "__FILE"); is {
			variables[variable] = read(t, value)
		} else {
			variables[name] = value
		}
	}
	variables["FLOWGAUGE_S3_METADATA"] = filepath.Join(t.TempDir(), "cold") + "/"
	variables["FLOWGAUGE_S3_ENDPOINT"] = bucket(t)
	if os.Getenv(externalS3) != "" {
		for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
			variables[name] = os.Getenv(name)
		}
	}
	var lines strings.Builder
	for name, value := range variables {
		fmt.Fprintf(&lines, "%s=%s\n", name, value)
	}
	credentials, err := json.Marshal(map[string]string{
		"writer_password": read(t, filepath.Join(dir, "clickhouse_writer")),
		"reader_password": read(t, filepath.Join(dir, "clickhouse_reader")), "sql_password": strings.Repeat("s", 32),
	})
	require.NoError(t, err)
	home := t.TempDir()
	for name, text := range map[string]string{
		environmentFile:          lines.String(),
		"credentials.json":       string(credentials),
		"config.d/flowgauge.xml": read(t, filepath.Join(composeDir, "clickhouse", "config.xml")),
		"users.d/flowgauge.xml":  read(t, filepath.Join(composeDir, "clickhouse", "users.xml")),
		"users.d/00.xml": `<clickhouse><users><flowgauge remove="1"/><flowgauge_reader remove="1"/>
			<flowgauge_admin><password from_env="ADMIN_PASSWORD"/><networks><ip>::/0</ip></networks>
			<profile>default</profile><quota>default</quota><access_management>1</access_management></flowgauge_admin>
			</users></clickhouse>`,
	} {
		path := filepath.Join(home, "config", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	library, err := engine.Fetch(t.Context(), "", nil)
	require.NoError(t, err)
	e, err := engine.New(engine.Config{Library: library, Dir: home, MemoryLimit: 2 << 30})
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		assert.NoError(t, e.Stop(ctx))
	})
	d := database{e.Endpoint(), admin}
	d.must(t, admin, "CREATE DATABASE "+*project.Services["clickhouse"].Environment["CLICKHOUSE_DB"])
	return d
}

// bucket is where the disk "cold" puts its objects.
func bucket(t *testing.T) string {
	t.Helper()
	if url := os.Getenv(externalS3); url != "" {
		return url
	}
	store := s3mem.New()
	require.NoError(t, store.CreateBucket("flowgauge-cold"))
	server := httptest.NewServer(gofakes3.New(store).Server())
	t.Cleanup(server.Close)
	return server.URL + "/flowgauge-cold/clickhouse/"
}

func (d database) must(t *testing.T, as engine.User, statement string) string {
	t.Helper()
	text, err := d.QueryAs(t.Context(), as, statement)
	require.NoError(t, err, "%s: %s", as.Name, statement)
	return strings.TrimSpace(text)
}

func (d database) refuses(t *testing.T, as engine.User, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		text, err := d.QueryAs(t.Context(), as, statement)
		require.Error(t, err, "%s: %s: %s", as.Name, statement, text)
	}
}

// migrate makes the tables as the collector's account.
func (d database) migrate(t *testing.T) {
	t.Helper()
	client, err := clickhouse.New(clickhouse.Config{Addr: d.TCPAddr(), Database: "flowgauge", User: d.Writer.Name, Password: d.Writer.Password})
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, schema.Migrate(t.Context(), client))
}

// Each account may do what Flowgauge does as it, and no more.
func TestAccounts(t *testing.T) {
	d := startDatabase(t, secrets(t))
	d.migrate(t)
	d.refuses(t, d.Writer,
		"CREATE DATABASE d", "DROP TABLE flowgauge.executions", "TRUNCATE TABLE flowgauge.audit_log", "CREATE USER u",
		"GRANT SELECT ON flowgauge.* TO flowgauge_reader", "SELECT * FROM system.processes", "SELECT * FROM system.users",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM url('http://127.0.0.1/', 'LineAsString')", "SYSTEM SHUTDOWN")
	d.must(t, d.Reader, "SELECT count() FROM flowgauge.executions SETTINGS join_use_nulls = 0, max_execution_time = 30")
	d.must(t, d.Reader, "INSERT INTO flowgauge.audit_log (tenant) VALUES ('t')")
	d.refuses(t, d.Reader,
		"SELECT * FROM flowgauge.api_keys", "INSERT INTO flowgauge.executions (tenant) VALUES ('t')", "TRUNCATE TABLE flowgauge.audit_log",
		"ALTER TABLE flowgauge.audit_log DELETE WHERE 1", "CREATE TABLE flowgauge.t (n Int64) ENGINE = Memory", "CREATE TEMPORARY TABLE t (n Int64)",
		"SELECT 1 SETTINGS max_execution_time = 0", "SELECT 1 SETTINGS max_memory_usage = 0", "SELECT 1 SETTINGS allow_ddl = 1",
		"SELECT * FROM system.processes", "SELECT * FROM url('http://127.0.0.1/', 'LineAsString')")
	for _, stranger := range []engine.User{{Name: "flowgauge"}, {Name: "flowgauge_reader", Password: "x"}, {Name: "default"}} {
		d.refuses(t, stranger, "SELECT 1")
	}
}

// Every table of Flowgauge's may have parts in S3, and reads them from there.
func TestColdVolume(t *testing.T) {
	d := startDatabase(t, secrets(t))
	d.migrate(t)
	assert.Equal(t, "['flowgauge']", d.must(t, d.admin, "SELECT groupUniqArray(storage_policy) FROM system.tables WHERE database = 'flowgauge' AND engine LIKE '%MergeTree'"))
	assert.Equal(t, "hot\t['default']\t0.1\ncold\t['cold']\t0.1", d.must(t, d.admin, "SELECT volume_name, disks, round(move_factor, 3) FROM system.storage_policies WHERE policy_name = 'flowgauge' ORDER BY volume_priority"))

	d.must(t, d.Writer, "INSERT INTO flowgauge.audit_log (tenant, at, sequence) SELECT 't', toDateTime64('2026-03-01 00:00:00', 3) + number, number FROM numbers(1000)")
	const asked = "SELECT count(), sum(cityHash64(*)) FROM flowgauge.audit_log"
	before := d.must(t, d.Reader, asked)
	partition := d.must(t, d.admin, "SELECT DISTINCT partition_id FROM system.parts WHERE database = 'flowgauge' AND table = 'audit_log' AND active")
	require.NotContains(t, partition, "\n")
	d.must(t, d.admin, "ALTER TABLE flowgauge.audit_log MOVE PARTITION ID '"+partition+"' TO VOLUME 'cold'")
	assert.Equal(t, "cold", d.must(t, d.admin, "SELECT DISTINCT disk_name FROM system.parts WHERE database = 'flowgauge' AND table = 'audit_log' AND active"))
	assert.NotEqual(t, "0", d.must(t, d.admin, "SELECT count() FROM system.remote_data_paths WHERE disk_name = 'cold'"))
	assert.Equal(t, before, d.must(t, d.Reader, asked))
}
