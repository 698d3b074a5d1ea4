package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/engine"
)

// A platform is a ClickHouse of its own, and what runs beside it.
type platform struct {
	t       testing.TB
	program string // the real binary, unless a test is about another
	engine  *engine.Engine
	client  *clickhouse.Client // straight to ClickHouse, whatever is between it and the collectors
	addr    string             // where the collectors reach it
	more    []string           // settings of every process
}

func newPlatform(t testing.TB) *platform {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // the first on a machine downloads it
	defer cancel()
	library, err := engine.Fetch(ctx, "", nil)
	require.NoError(t, err)
	e, err := engine.New(engine.Config{Library: library, Dir: t.TempDir(), MemoryLimit: 3 << 30, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.Stop(now)
	})
	require.NoError(t, e.Start(ctx))
	endpoint := e.Endpoint()
	require.NoError(t, endpoint.Exec(ctx, "CREATE DATABASE "+endpoint.Database))
	p := &platform{t: t, program: program, engine: e, addr: endpoint.TCPAddr()}
	p.client, err = clickhouse.New(clickhouse.Config{
		Addr: endpoint.TCPAddr(), Database: endpoint.Database, User: endpoint.Writer.Name, Password: endpoint.Writer.Password,
	})
	require.NoError(t, err)
	t.Cleanup(p.client.Close)
	return p
}

func (p *platform) env() []string {
	endpoint := p.engine.Endpoint()
	return append(append(os.Environ(),
		"FLOWGAUGE_CLICKHOUSE__ADDR="+p.addr, "FLOWGAUGE_CLICKHOUSE__DATABASE="+endpoint.Database,
		"FLOWGAUGE_CLICKHOUSE__USER="+endpoint.Writer.Name, "FLOWGAUGE_CLICKHOUSE__PASSWORD="+endpoint.Writer.Password,
	), p.more...)
}

// killDatabase kills ClickHouse, which its supervisor starts again.
func (p *platform) killDatabase() {
	if pid := p.engine.PID(); pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// key makes an API key.
func (p *platform) key() string {
	p.t.Helper()
	cmd := p.command("keys", "create", "--name", "load", "--scope", "admin")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	require.NoError(p.t, err, problems.String())
	return strings.TrimSpace(string(out))
}

// A process is one of the program's that may be killed and started again, with the
// same data and at the same address.
type process struct {
	p    *platform
	args []string
	url  string
	log  string // a file
	env  []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// start runs a command of the program that serves HTTP.
func (p *platform) start(name string) *process { return p.startIn(p.t.TempDir(), name) }

// startIn runs it with its data in a folder.
func (p *platform) startIn(data, name string) *process {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(p.t, err)
	addr := l.Addr().String()
	require.NoError(p.t, l.Close())
	pr := &process{p: p, url: "http://" + addr, log: filepath.Join(p.t.TempDir(), "output.log")}
	pr.args = []string{name, "--data-dir", data, "--http", addr}
	pr.run()
	p.t.Cleanup(func() {
		pr.kill()
		if p.t.Failed() {
			text, _ := os.ReadFile(pr.log)
			p.t.Logf("the end of what %s printed:\n%s", name, text[max(0, len(text)-8000):])
		}
	})
	return pr
}

func (pr *process) run() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	out, err := os.OpenFile(pr.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(pr.p.t, err)
	defer out.Close()
	pr.cmd = pr.p.command(pr.args...)
	pr.cmd.Env = append(pr.cmd.Env, pr.env...)
	pr.cmd.Stdout, pr.cmd.Stderr = out, out
	require.NoError(pr.p.t, pr.cmd.Start())
	pr.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(pr.cmd, pr.done)
}

// kill ends it as a power cut would.
func (pr *process) kill() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	_ = pr.cmd.Process.Kill()
	<-pr.done
}

// ended says whether it has ended without being asked to.
func (pr *process) ended() bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	select {
	case <-pr.done:
		return true
	default:
		return false
	}
}

// ready waits until it is.
func (pr *process) ready() {
	pr.p.t.Helper()
	for {
		if _, err := httpGet(pr.url + "/readyz"); err == nil {
			return
		}
		if pr.ended() {
			text, _ := os.ReadFile(pr.log)
			pr.p.t.Fatalf("%v ended:\n%s", pr.args, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// empty says whether its log has nothing that is not stored.
func (pr *process) empty() bool { return metric(pr.url, "flowgauge_wal_pending_records") == "0" }

func httpGet(url string) (string, error) {
	res, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return string(text), err
}
