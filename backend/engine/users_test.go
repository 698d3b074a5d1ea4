package engine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPasswordsAreEnforced(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	endpoint := e.Endpoint()
	for name, test := range map[string]struct {
		user    User
		welcome bool
	}{
		"writer":           {endpoint.Writer, true},
		"reader":           {endpoint.Reader, true},
		"default":          {User{Name: "default"}, false},
		"wrong password":   {User{WriterUser, "guess"}, false},
		"no password":      {User{WriterUser, ""}, false},
		"other's password": {User{ReaderUser, endpoint.Writer.Password}, false},
		"nobody":           {User{"nobody", ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := endpoint.QueryAs(t.Context(), test.user, "SELECT 1")
			require.Equal(t, test.welcome, err == nil, "over HTTP: %v", err)
			require.Equal(t, test.welcome, nativeHello(t, endpoint, test.user), "over TCP")
		})
	}
}

// In batch mode clickhouse-local aborts when a connection's thread fails.
func TestStrangersCannotKillIt(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	for range 3 {
		require.False(t, nativeHello(t, e.Endpoint(), User{WriterUser, "guess"}))
		for _, garbage := range []string{"", "\x00", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "\x00\xff\xff\xff\xff\xff\xff"} {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", e.Endpoint().TCPAddr())
			require.NoError(t, err)
			_, err = conn.Write([]byte(garbage))
			require.NoError(t, err)
			require.NoError(t, conn.(*net.TCPConn).SetLinger(0), "end by a reset")
			require.NoError(t, conn.Close())
		}
	}
	require.True(t, nativeHello(t, e.Endpoint(), e.Endpoint().Writer))
	require.Zero(t, e.Restarts())
	require.NoError(t, e.Err())
}

// The session limit is what keeps "default" out, so it must hold after a
// session ended, too.
func TestDefaultStaysOut(t *testing.T) {
	endpoint := startEngine(t, testConfig(t, t.TempDir())).Endpoint()
	for range 20 {
		_, err := endpoint.QueryAs(t.Context(), User{Name: "default"}, "SELECT 1")
		require.Error(t, err)
		require.False(t, nativeHello(t, endpoint, User{Name: "default"}))
	}
}

func TestReaderCannotWrite(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	makeTable(t, e)
	query(t, e, "CREATE TABLE flowgauge.audit_log (n Int64) ENGINE = MergeTree ORDER BY n")
	query(t, e, "CREATE DATABASE secret")
	query(t, e, "CREATE TABLE secret.t (n Int64) ENGINE = MergeTree ORDER BY n")
	reader := e.Endpoint().Reader

	for _, allowed := range []string{
		"SELECT count() FROM flowgauge.events",
		"INSERT INTO flowgauge.audit_log VALUES (1)",
		"SELECT n FROM flowgauge.audit_log",
		"SELECT count() FROM flowgauge.events SETTINGS max_execution_time = 5",
		"SELECT count() FROM flowgauge.events SETTINGS readonly = 2",
	} {
		_, err := e.Endpoint().QueryAs(t.Context(), reader, allowed)
		require.NoError(t, err, allowed)
	}
	for _, forbidden := range []string{
		"INSERT INTO flowgauge.events VALUES (1)",
		"ALTER TABLE flowgauge.events DELETE WHERE 1",
		"ALTER TABLE flowgauge.audit_log DELETE WHERE 1",
		"TRUNCATE TABLE flowgauge.audit_log",
		"DROP TABLE flowgauge.audit_log",
		"OPTIMIZE TABLE flowgauge.audit_log FINAL",
		"CREATE TABLE flowgauge.t (n Int64) ENGINE = MergeTree ORDER BY n",
		"CREATE DATABASE d",
		"CREATE TEMPORARY TABLE t (n Int64)",
		"SELECT n FROM secret.t",
		"SELECT * FROM system.processes",
		"SELECT * FROM system.users",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')",
		"SELECT * FROM url('http://127.0.0.1/', 'LineAsString')",
		"SELECT * FROM remote('127.0.0.1', 'secret', 't')",
		"SYSTEM SHUTDOWN",
		"SYSTEM STOP LISTEN TCP",
		"KILL QUERY WHERE 1",
		"SELECT 1 SETTINGS max_execution_time = 0",
		"SELECT 1 SETTINGS max_memory_usage = 0",
		"SELECT 1 SETTINGS allow_ddl = 1",
	} {
		text, err := e.Endpoint().QueryAs(t.Context(), reader, forbidden)
		require.Error(t, err, "%s: %s", forbidden, text)
	}
	requireRows(t, e)
}

// What a surface that passes on people's SQL relies on.
func TestReadonlyCannotBeUndone(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	makeTable(t, e)
	query(t, e, "CREATE TABLE flowgauge.audit_log (n Int64) ENGINE = MergeTree ORDER BY n")
	url := "http://" + e.Endpoint().HTTPAddr() + "/?readonly=2"
	for _, statement := range []string{
		"INSERT INTO flowgauge.audit_log VALUES (1)",
		"INSERT INTO flowgauge.audit_log SETTINGS readonly = 0 VALUES (1)",
		"SELECT 1 SETTINGS readonly = 0",
	} {
		_, err := httpDo(t.Context(), "POST", url, e.Endpoint().Reader, statement)
		require.Error(t, err, statement)
	}
	_, err := httpDo(t.Context(), "POST", url, e.Endpoint().Reader, "SELECT count() FROM flowgauge.events SETTINGS max_threads = 1")
	require.NoError(t, err)
}

func TestSettingsHold(t *testing.T) {
	config := testConfig(t, t.TempDir())
	config.ExtraConfig = `<remote_servers><pair>
		<shard><replica><host>127.0.0.1</host><port>1</port></replica></shard>
		<shard><replica><host>127.0.0.1</host><port>2</port></replica></shard>
	</pair></remote_servers>`
	e := startEngine(t, config)
	for statement, want := range map[string]string{
		"SELECT groupArray((name, value)) FROM (SELECT name, value FROM system.merge_tree_settings WHERE name IN " +
			"('fsync_after_insert', 'fsync_part_directory', 'min_rows_to_fsync_after_merge') ORDER BY name)": "[('fsync_after_insert','1'),('fsync_part_directory','1'),('min_rows_to_fsync_after_merge','1')]",
		"SELECT getSetting('async_insert')":                                                           "false",
		"SELECT getSetting('max_partitions_per_insert_block')":                                        "0",
		"SELECT getSetting('query_profiler_real_time_period_ns')":                                     "0",
		"SELECT getSetting('query_profiler_cpu_time_period_ns')":                                      "0",
		"SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'":             "1073741824",
		"SELECT value FROM system.server_settings WHERE name = 'global_profiler_real_time_period_ns'": "0",
		"SELECT timezone()": "UTC",
		"SELECT count() FROM system.clusters WHERE cluster = 'pair'": "2",
	} {
		require.Equal(t, want+"\n", query(t, e, statement), statement)
	}
}

func TestManyPartitionsInOneInsert(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	query(t, e, "CREATE DATABASE flowgauge")
	query(t, e, "CREATE TABLE flowgauge.days (d Date) ENGINE = MergeTree PARTITION BY d ORDER BY d")
	query(t, e, "INSERT INTO flowgauge.days SELECT toDate('2020-01-01') + number FROM numbers(400)")
	require.Equal(t, "400\n", query(t, e, "SELECT count() FROM flowgauge.days"))
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "engine")
	startEngine(t, testConfig(t, dir))
	for _, name := range []string{"config.xml", "users.xml", "credentials.json"} {
		info, err := os.Stat(filepath.Join(dir, "config", name))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), name)
	}
	for _, name := range []string{".", "config", "data", "log"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o700), info.Mode().Perm(), name)
	}
}

// nativeHello reports whether the native protocol's handshake succeeds. It is
// written out here because the engine depends on no client.
func nativeHello(t *testing.T, e Endpoint, user User) bool {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", e.TCPAddr())
	require.NoError(t, err)
	defer conn.Close()
	const clientHello, serverHello, revision = 0, 0, 54441
	hello := binary.AppendUvarint(nil, clientHello)
	hello = appendString(hello, "engine test")
	hello = binary.AppendUvarint(hello, 1)
	hello = binary.AppendUvarint(hello, 0)
	hello = binary.AppendUvarint(hello, revision)
	for _, text := range []string{"", user.Name, user.Password} {
		hello = appendString(hello, text)
	}
	_, err = conn.Write(hello)
	require.NoError(t, err)
	packet, err := binary.ReadUvarint(bufio.NewReader(conn))
	if errors.Is(err, io.EOF) {
		return false
	}
	require.NoError(t, err)
	return packet == serverHello
}

func appendString(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// An engine of before there was a user for SQL gets one, and keeps its other passwords.
func TestOlderCredentialsAreCompleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"writer_password":"w","reader_password":"r"}`), 0o600))
	first, err := loadCredentials(path)
	require.NoError(t, err)
	require.Equal(t, "w", first.Writer)
	require.Equal(t, "r", first.Reader)
	require.NotEmpty(t, first.SQL)
	again, err := loadCredentials(path)
	require.NoError(t, err)
	require.Equal(t, first, again)
}
