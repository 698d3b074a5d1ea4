// Package enginetest gives tests a real ClickHouse.
//
// A package opts in by handing its TestMain to Main:
//
//	func TestMain(m *testing.M) { enginetest.Main(m) }
//
// The first Start in a test process brings ClickHouse up, about half a second;
// all tests share it and take a Database of their own each, so they may run in
// parallel. FLOWGAUGE_TEST_CLICKHOUSE names a server to use instead, see
// external.go.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/flowgauge/flowgauge/backend/engine"
)

const (
	// Generous: the first test on a machine downloads the library.
	startTimeout = 15 * time.Minute
	stopTimeout  = 30 * time.Second

	tempPattern = "flowgauge-engine-*"
	leftoverAge = 24 * time.Hour

	// Several test processes run at once; each gets a small share.
	memoryLimit = 3 << 30
)

// shared is the one engine of the process, as ClickHouse takes too long and
// too much memory for one per test.
var shared struct {
	once     sync.Once
	dir      string
	engine   *engine.Engine
	endpoint engine.Endpoint
	err      error
}

// Main runs a package's tests. It must be called by TestMain, first thing: the
// engine's child is the test binary again. What is given besides is called at the end.
func Main(m *testing.M, after ...func()) {
	engine.RunChildIfAsked()
	code := m.Run()
	for _, f := range after {
		f()
	}
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Start returns where ClickHouse is, after starting it if this is the first
// call in the process.
func Start(t testing.TB) engine.Endpoint {
	t.Helper()
	shared.once.Do(func() { shared.err = start() })
	if shared.err != nil {
		t.Fatalf("start ClickHouse for tests: %v", shared.err)
	}
	return shared.endpoint
}

// Database creates an empty database, which is dropped when the test ends, and
// returns its name. The endpoint's reader may select from it.
func Database(t testing.TB) string {
	t.Helper()
	endpoint := Start(t)
	name := names.take(t)
	exec(t, endpoint, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		exec(t, endpoint, "DROP DATABASE IF EXISTS "+name+" SYNC")
		names.giveBack(name)
	})
	return name
}

func exec(t testing.TB, endpoint engine.Endpoint, statement string) {
	t.Helper()
	// Not the test's context: that one has ended when cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := endpoint.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func start() error {
	if address := os.Getenv(envAddress); address != "" {
		var err error
		shared.endpoint, err = parseAddress(address)
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	library, err := engine.Fetch(ctx, "", nil)
	if err != nil {
		return err
	}
	removeLeftovers()
	shared.dir, err = os.MkdirTemp("", tempPattern)
	if err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	e, err := engine.New(engine.Config{
		Library:       library,
		Dir:           shared.dir,
		MoreDatabases: names.all(),
		MemoryLimit:   memoryLimit,
		Logger:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	shared.engine = e
	if err := e.Start(ctx); err != nil {
		return err
	}
	shared.endpoint = e.Endpoint()
	return nil
}

// removeLeftovers deletes what test processes left behind that were killed or
// ran into their timeout, long enough ago that none of them can be alive.
func removeLeftovers() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPattern))
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.RemoveAll(dir)
		}
	}
}

func stop() error {
	// Marks the once as used: nothing may start from here on.
	shared.once.Do(func() { shared.err = engine.ErrStopped })
	var err error
	if shared.engine != nil {
		// Data in a temporary directory needs no orderly end.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err = shared.engine.Stop(ctx)
	}
	if shared.dir != "" {
		err = errors.Join(err, os.RemoveAll(shared.dir))
	}
	return err
}
