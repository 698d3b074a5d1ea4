package app_test

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/engine"
)

var serving = regexp.MustCompile(`msg=serving url=(\S+)`)

// serverOn starts 'flowgauge server' on a database and returns it.
func serverOn(t *testing.T, env ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), done: make(chan struct{}), http: http.DefaultClient}
	s.cmd = exec.Command(program, "server", "--http", "127.0.0.1:0", "--data-dir", s.dir)
	s.cmd.Env = append(os.Environ(), env...)
	out, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	at := make(chan string, 1)
	go func() {
		defer close(s.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := serving.FindStringSubmatch(lines.Text()); m != nil {
				at <- m[1]
			}
		}
		_ = s.cmd.Wait()
	}()
	select {
	case s.url = <-at:
	case <-s.done:
		t.Fatal("flowgauge server ended at once")
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGINT)
		<-s.done
	})
	return s
}

// Questions are asked as the reader, who may select and change nothing.
func TestReader(t *testing.T) {
	t.Parallel()
	main := up(t, t.TempDir())
	database, err := engine.Running(filepath.Join(main.dir, "clickhouse"))
	require.NoError(t, err)
	const question = `{"metrics":["executions"],"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"}`
	for password, want := range map[string]int{database.Reader.Password: http.StatusOK, "wrong": http.StatusInternalServerError} {
		s := serverOn(t, "FLOWGAUGE_CLICKHOUSE__ADDR="+database.TCPAddr(),
			"FLOWGAUGE_CLICKHOUSE__USER="+database.Writer.Name, "FLOWGAUGE_CLICKHOUSE__PASSWORD="+database.Writer.Password,
			"FLOWGAUGE_CLICKHOUSE__READER_USER="+database.Reader.Name, "FLOWGAUGE_CLICKHOUSE__READER_PASSWORD="+password)
		s.until(http.StatusOK, main.key(), http.MethodGet, "/api/v1/keys", "")
		assert.Equal(t, want, s.status(main.key(), http.MethodPost, "/api/v1/analytics/query", question), password)
		_, err := os.Stat(filepath.Join(s.dir, "admin.key"))
		require.ErrorIs(t, err, os.ErrNotExist, "a server makes no administrator's key")
	}
	for _, statement := range []string{"INSERT INTO flowgauge.api_key_uses VALUES ('a', 'b', now())", "TRUNCATE TABLE flowgauge.executions"} {
		_, err := database.QueryAs(t.Context(), database.Reader, statement)
		require.ErrorContains(t, err, "ACCESS_DENIED", statement)
	}
}
