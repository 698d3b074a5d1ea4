package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// program is the real binary: these tests see Flowgauge as a user does.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "flowgauge-program-*")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "flowgauge")
	build := exec.Command("go", "build", "-o", program, "github.com/flowgauge/flowgauge/cmd/flowgauge")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build flowgauge: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	hosttest.Remove()
	os.Exit(code)
}

// server is one running 'flowgauge up'.
type server struct {
	t    testing.TB
	dir  string
	url  string
	cmd  *exec.Cmd
	done chan struct{}
	http *http.Client

	printed strings.Builder // on standard output; to be read after done
}

var servesAt = regexp.MustCompile(`REST API and ingest\s+(https?://\S+)/api/v1`)

// up starts the program on a data folder and waits until it says where it is.
func up(t testing.TB, dir string, args ...string) *server {
	t.Helper()
	return upAs(t, dir, func(*exec.Cmd) {}, args...)
}

// upAs is up with a change of the command.
func upAs(t testing.TB, dir string, change func(*exec.Cmd), args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, done: make(chan struct{}), http: http.DefaultClient}
	s.cmd = exec.Command(program, append([]string{"up", "--no-simulate", "--no-grafana", "--http", "127.0.0.1:0", "--data-dir", dir}, args...)...)
	s.cmd.Env = append(os.Environ(), "FLOWGAUGE_ENGINE__MEMORY_BYTES=3221225472")
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.cmd.Stderr = os.Stderr
	change(s.cmd)
	require.NoError(t, s.cmd.Start())
	at := make(chan string, 1)
	go func() {
		defer close(s.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(&s.printed, lines.Text())
			if m := servesAt.FindStringSubmatch(lines.Text()); m != nil {
				at <- m[1]
			}
		}
		_ = s.cmd.Wait()
	}()
	select {
	case s.url = <-at:
	case <-s.done:
		t.Fatalf("flowgauge up ended before it was ready; see %s", filepath.Join(dir, "flowgauge.log"))
	}
	t.Cleanup(s.stop)
	return s
}

// kill ends the program as a power cut would.
func (s *server) kill() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Kill())
	<-s.done
}

// stop is Ctrl-C.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	<-s.done
}

func (s *server) key() string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "admin.key"))
	require.NoError(s.t, err)
	return strings.TrimSpace(string(b))
}

// call makes a request and returns the answer's status and body.
func (s *server) call(method, path, contentType string, body io.Reader) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, body)
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.key())
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := s.http.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, answer
}

// row is one row of an answer.
type row map[string]any

func (r row) text(name string) string { return fmt.Sprint(r[name]) }

// number returns a whole number as the JSON has it.
func (r row) number(t testing.TB, name string) int64 {
	t.Helper()
	n, ok := r[name].(json.Number)
	require.True(t, ok, "%s is %v", name, r[name])
	whole, err := n.Int64()
	require.NoError(t, err, "%s is %v", name, n)
	return whole
}

// ask sends a query.Request and returns its rows.
func (s *server) ask(request string) []row {
	s.t.Helper()
	status, body := s.call(http.MethodPost, "/api/v1/analytics/query", "application/json", strings.NewReader(request))
	require.Equal(s.t, http.StatusOK, status, "%s\n%s", request, body)
	var answer struct {
		Data []row `json:"data"`
	}
	decode := json.NewDecoder(strings.NewReader(string(body)))
	decode.UseNumber()
	require.NoError(s.t, decode.Decode(&answer))
	return answer.Data
}

// settle waits until everything that was accepted is stored and rolled up.
func (s *server) settle() {
	s.t.Helper()
	for {
		status, body := s.call(http.MethodGet, "/metrics", "", nil)
		require.Equal(s.t, http.StatusOK, status)
		var pending json.Number
		if strings.Contains(string(body), "\nflowgauge_wal_pending_records 0\n") {
			rows := s.ask(`{"metrics":["pending_buckets"],"from":"1970-01-01T00:00:00Z","to":"1970-01-02T00:00:00Z"}`)
			if len(rows) == 1 {
				pending, _ = rows[0]["pending_buckets"].(json.Number)
			}
		}
		if pending == "0" {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// importFiles runs 'flowgauge import' and returns its error.
func (s *server) importFiles(files ...string) error {
	s.t.Helper()
	cmd := exec.Command(program, append([]string{"import", "--url", s.url, "--data-dir", s.dir}, files...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
