package engine

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds waits for things that happen soon; it is generous because
// nothing is learnt from a slow machine.
const patience = 2 * time.Minute

// parentDir makes this test binary a parent that TestParentKilled can kill.
const parentDir = "FLOWGAUGE_ENGINE_TEST_PARENT"

func TestMain(m *testing.M) {
	RunChildIfAsked()
	if dir := os.Getenv(parentDir); dir != "" {
		os.Exit(runParent(dir))
	}
	os.Exit(m.Run())
}

// runParent starts an engine, says where it is, and waits to be killed.
func runParent(dir string) int {
	e, err := New(Config{Dir: dir})
	if err == nil {
		err = e.Start(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("pid", e.PID())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// testConfig is a small engine in a directory.
func testConfig(t *testing.T, dir string) Config {
	t.Helper()
	library, err := Fetch(t.Context(), "", nil)
	require.NoError(t, err)
	return Config{Library: library, Dir: dir, MemoryLimit: gibibyte, Logger: slog.New(slog.DiscardHandler)}
}

// startEngine runs an engine until the test ends.
func startEngine(t *testing.T, config Config) *Engine {
	t.Helper()
	e, err := New(config)
	require.NoError(t, err)
	t.Cleanup(func() { stopEngine(t, e) })
	require.NoError(t, e.Start(t.Context()))
	return e
}

func stopEngine(t *testing.T, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, e.Stop(ctx))
}

// query runs a statement as the writer, which must succeed.
func query(t *testing.T, e *Engine, statement string) string {
	t.Helper()
	text, err := e.Endpoint().QueryAs(t.Context(), e.Endpoint().Writer, statement)
	require.NoError(t, err, statement)
	return text
}

func makeTable(t *testing.T, e *Engine) {
	t.Helper()
	query(t, e, "CREATE DATABASE flowgauge")
	query(t, e, "CREATE TABLE flowgauge.events (n Int64) ENGINE = MergeTree ORDER BY n")
	query(t, e, "INSERT INTO flowgauge.events SELECT number FROM numbers(1000)")
}

func requireRows(t *testing.T, e *Engine) {
	t.Helper()
	require.Equal(t, "1000\t499500\n", query(t, e, "SELECT count(), sum(n) FROM flowgauge.events"))
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 20*time.Millisecond, what)
}
