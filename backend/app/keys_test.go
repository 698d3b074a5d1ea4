package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/engine"
)

// keys runs 'flowgauge keys' beside the server and returns its standard output.
func (s *server) keys(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(program, append(append([]string{"keys"}, args...), "--data-dir", s.dir)...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	require.NoError(s.t, cmd.Run(), "%v: %s", args, problems.String())
	return out.String()
}

// status makes a request with a key and returns the answer's status.
func (s *server) status(key, method, path, body string) int {
	s.t.Helper()
	return s.send(key, method, path, body).StatusCode
}

// send makes a request with a key and returns the answer, its body closed.
func (s *server) send(key, method, path, body string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := s.http.Do(req)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	return resp
}

// until waits for a status: a change of a key reaches collectors within seconds.
func (s *server) until(want int, key, method, path, body string) {
	s.t.Helper()
	for s.status(key, method, path, body) != want {
		time.Sleep(100 * time.Millisecond)
	}
}

const oneEvent = `{"kind":"activity","id":"a1","timestamp":"2026-03-01T10:00:00Z","userId":"ana","action":"login"}`

// What the command does beside a running server, the server follows.
func TestKeysCommand(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	secret := strings.TrimSpace(s.keys("create", "--name", "ci", "--scope", "ingest", "--expires", "90d"))
	s.until(http.StatusAccepted, secret, http.MethodPost, "/api/v1/events", oneEvent)
	assert.Equal(t, http.StatusForbidden, s.status(secret, http.MethodGet, "/api/v1/analytics/catalogue", ""))
	assert.Equal(t, http.StatusForbidden, s.status(secret, http.MethodGet, "/api/v1/keys", ""))

	var listed []struct{ ID, Name, Tenant, State string }
	require.NoError(t, json.Unmarshal([]byte(s.keys("list", "--json")), &listed))
	require.Len(t, listed, 2)
	assert.Equal(t, "administrator", listed[0].Name)
	id := listed[1].ID
	assert.Contains(t, s.keys("list"), id)
	assert.Contains(t, s.keys("show", id), "as configured")

	second := strings.TrimSpace(s.keys("rotate", id, "--grace", "1h"))
	s.until(http.StatusAccepted, second, http.MethodPost, "/api/v1/events", oneEvent)
	assert.Equal(t, http.StatusAccepted, s.status(secret, http.MethodPost, "/api/v1/events", oneEvent))
	s.keys("expire", id, "--in", "0")
	s.until(http.StatusUnauthorized, second, http.MethodPost, "/api/v1/events", oneEvent)
	s.keys("expire", id, "--never")
	s.until(http.StatusAccepted, second, http.MethodPost, "/api/v1/events", oneEvent)
	s.keys("revoke", id)
	s.until(http.StatusUnauthorized, second, http.MethodPost, "/api/v1/events", oneEvent)
	assert.NotContains(t, s.keys("list"), id)
	assert.Contains(t, s.keys("list", "--all"), "revoked")

	out, err := exec.Command(program, "keys", "revoke", second, "--data-dir", s.dir).CombinedOutput()
	require.Error(t, err)
	assert.NotContains(t, string(out), second[len(second)-43:], "not even what was typed is repeated")
}

// A second start keeps the administrator's key; it makes one anew only where the
// file is gone.
func TestOneAdministratorsKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := up(t, dir)
	before := s.key()
	s.stop()
	s = up(t, dir)
	assert.Equal(t, before, s.key())
	assert.Equal(t, 2, strings.Count(s.keys("list"), "\n"), "a headline and one key")

	database, err := engine.Running(filepath.Join(dir, "clickhouse"))
	require.NoError(t, err)
	beside := upAs(t, t.TempDir(), func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "FLOWGAUGE_CLICKHOUSE__ADDR="+database.TCPAddr(),
			"FLOWGAUGE_CLICKHOUSE__USER="+database.Writer.Name, "FLOWGAUGE_CLICKHOUSE__PASSWORD="+database.Writer.Password)
	})
	require.NoFileExists(t, filepath.Join(beside.dir, "admin.key"), "the database has one")
	beside.until(http.StatusAccepted, before, http.MethodPost, "/api/v1/events", oneEvent)
	assert.Equal(t, 2, strings.Count(s.keys("list"), "\n"))
}
