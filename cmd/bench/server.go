package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/backend/engine"
)

// A flowgauge is the built program at work on data of its own.
type flowgauge struct {
	dir  string
	url  string
	key  string
	cmd  *exec.Cmd
	exit chan error
	log  bytes.Buffer
}

// startFlowgauge runs 'flowgauge up' with more settings: flags, and variables of the environment.
func startFlowgauge(ctx context.Context, binary, dir string, settings ...string) (*flowgauge, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	f := &flowgauge{dir: dir, url: "http://127.0.0.1:" + port, exit: make(chan error, 1)}
	//nolint:gosec // the program that is measured is the caller's to choose
	f.cmd = exec.Command(binary, "up", "--no-simulate", "--data-dir", dir, "--http", "127.0.0.1:"+port)
	f.cmd.Env = os.Environ()
	for _, s := range settings {
		if strings.HasPrefix(s, "--") {
			f.cmd.Args = append(f.cmd.Args, s)
		} else {
			f.cmd.Env = append(f.cmd.Env, s)
		}
	}
	f.cmd.Stdout, f.cmd.Stderr = &f.log, &f.log
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w: build it with 'go tool mage binary'", binary, err)
	}
	go func() { f.exit <- f.cmd.Wait() }()
	for {
		if status, _, err := get(ctx, f.url+"/readyz"); err == nil && status == http.StatusOK {
			break
		}
		select {
		case <-ctx.Done():
			f.stop()
			return nil, ctx.Err()
		case err := <-f.exit:
			return nil, fmt.Errorf("flowgauge ended: %w\n%s", err, f.log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	f.key, err = app.ReadAdminKey(dir)
	return f, err
}

func (f *flowgauge) header(contentType string) http.Header {
	return http.Header{"Authorization": {"Bearer " + f.key}, "Content-Type": {contentType}}
}

// metric returns the sum of a metric's series.
func (f *flowgauge) metric(ctx context.Context, name string) (float64, error) {
	_, text, err := get(ctx, f.url+"/metrics")
	if err != nil {
		return 0, err
	}
	total, found := 0.0, false
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, name); ok && (strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "{")) {
			v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, fmt.Errorf("metric %q: %w", line, err)
			}
			total, found = total+v, true
		}
	}
	if !found {
		return 0, fmt.Errorf("flowgauge has no metric %s", name)
	}
	return total, nil
}

func (f *flowgauge) stored(ctx context.Context) (float64, error) {
	return f.metric(ctx, "flowgauge_sink_stored_records_total")
}

func (f *flowgauge) pending(ctx context.Context) (float64, error) {
	return f.metric(ctx, "flowgauge_wal_pending_records")
}

// database reaches the embedded ClickHouse.
func (f *flowgauge) database() (*database, error) {
	endpoint, err := engine.Running(filepath.Join(f.dir, "clickhouse"))
	if err != nil {
		return nil, err
	}
	return &database{endpoint: endpoint, name: endpoint.Database}, nil
}

// stop ends it in an orderly way; a second call does nothing.
func (f *flowgauge) stop() {
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-f.exit:
		f.exit <- err // for a second call
	case <-time.After(30 * time.Second):
		_ = f.cmd.Process.Kill()
	}
}

// A database is a ClickHouse, spoken to over HTTP.
type database struct {
	endpoint engine.Endpoint
	name     string
	engine   *engine.Engine // nil where it is Flowgauge's
}

// startDatabase runs a ClickHouse with the settings that Flowgauge's has.
func startDatabase(ctx context.Context, dir string) (*database, error) {
	library, err := engine.Fetch(ctx, "", nil)
	if err != nil {
		return nil, err
	}
	e, err := engine.New(engine.Config{Library: library, Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := e.Start(ctx); err != nil {
		return nil, err
	}
	d := &database{endpoint: e.Endpoint(), name: e.Endpoint().Database, engine: e}
	return d, d.endpoint.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+d.name)
}

func (d *database) pid() int { return d.engine.PID() }

func (d *database) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_ = d.engine.Stop(ctx)
}

// url is where a statement is sent, its data in the body.
func (d *database) url(statement string, settings ...string) string {
	q := url.Values{"query": {statement}, "database": {d.name}}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		q.Set(k, v)
	}
	return "http://" + d.endpoint.HTTPAddr() + "/?" + q.Encode()
}

func (d *database) header() http.Header {
	return http.Header{"X-Clickhouse-User": {d.endpoint.Writer.Name}, "X-Clickhouse-Key": {d.endpoint.Writer.Password}}
}

// send runs a statement and returns its answer.
func (d *database) send(ctx context.Context, body []byte, statement string, settings ...string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url(statement, settings...), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = d.header()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%.60s: %s: %.300s", statement, res.Status, text)
	}
	return text, err
}

func (d *database) number(ctx context.Context, statement string) (float64, error) {
	text, err := d.send(ctx, nil, statement)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
}

func get(ctx context.Context, address string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, text, errors.Join(err, res.Body.Close())
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port, l.Close()
}
