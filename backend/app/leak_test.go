package app_test

import (
	"bytes"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A key that is sent well, wrongly, or in the wrong place is in nothing that the
// program writes: its output, its logs, its metrics, the database's logs.
func TestKeysReachNoOutput(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the whole program")
	}
	var output bytes.Buffer
	dir := t.TempDir()
	s := upAs(t, dir, func(cmd *exec.Cmd) { cmd.Stderr = &output }, "--log-level", "debug")
	secret := strings.TrimSpace(s.keys("create", "--name", "leak", "--scope", "ingest,read,admin"))
	s.until(http.StatusAccepted, secret, http.MethodPost, "/api/v1/events", oneEvent)
	escaped := url.QueryEscape(secret)
	for _, path := range []string{
		"/api/v1/events", "/api/v1/keys", "/api/v1/keys/" + escaped, "/api/v1/analytics/query", "/api/v1/analytics/catalogue",
		"/api/v1/analytics/executions", "/api/v1/analytics/values/" + escaped, "/" + escaped, "/healthz", "/metrics",
	} {
		for _, key := range []string{secret, secret + "x", secret[:len(secret)-1], "", "Bearer " + secret} {
			for _, query := range []string{"", "?key=" + escaped, "?from=" + escaped + "&to=" + escaped, "?groupBy=" + escaped + ";" + escaped} {
				for _, body := range []string{
					"", `{"name":"x","scopes":["read"]}`, secret, `"` + secret + `"`, `{"` + secret + `":1}`, `{"kind":"` + secret + `"}`, `{"metrics":["` + secret + `"]}`,
					strings.Replace(oneEvent, "ana", secret, 1), `{"metrics":["executions"],"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z","filters":[{"dimension":"workflow","operator":"eq","values":["` + secret + `"]}]}`,
				} {
					method := http.MethodPost
					if body == "" {
						method = http.MethodGet
					}
					s.send(key, method, path+query, body)
				}
			}
		}
	}
	rawRequests(t, s, secret)
	_, metrics := s.call(http.MethodGet, "/metrics", "", nil)
	s.stop()

	tail := secret[len(secret)-43:] // what is secret of it
	assert.NotContains(t, string(metrics), tail)
	assert.NotContains(t, s.printed.String(), tail)
	assert.NotContains(t, output.String(), tail)
	read := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || isData(strings.TrimPrefix(path, dir)) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read++
		assert.NotContains(t, string(text), tail, path)
		return nil
	}))
	assert.Greater(t, read, 1)
	text, err := os.ReadFile(filepath.Join(dir, "flowgauge.log"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "an API key was made")
}

// isData is where events are kept: what a sender put into an event is an event's.
func isData(path string) bool {
	return strings.HasPrefix(path, "/wal/") || strings.HasPrefix(path, "/clickhouse/") && !strings.Contains(path, "log")
}

// rawRequests sends what no client would, and hangs up in the middle.
func rawRequests(t *testing.T, s *server, secret string) {
	t.Helper()
	for _, text := range []string{
		"GET /" + secret + "\r\n\r\n", secret + "\r\n\r\n",
		"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\nContent-Length: 100\r\n\r\n{",
		"POST /api/v1/events?k=" + secret + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"GET /api/v1/analytics/catalogue?k=" + secret + " HTTP/1.1\r\nHost: x\r\nX: " + secret + "\r\n" + secret + "\r\n\r\n",
		"\x16\x03\x01" + secret,
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		require.NoError(t, err)
		_, err = conn.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
		require.NoError(t, conn.Close())
	}
}
