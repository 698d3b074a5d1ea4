package engine

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStartStop(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	require.NoError(t, e.Start(t.Context()), "starting twice is no error")
	require.Equal(t, "1\n", query(t, e, "SELECT 1"))
	pid := e.PID()
	require.True(t, processAlive(pid))

	stopEngine(t, e)
	stopEngine(t, e)
	<-e.Done()
	require.False(t, processAlive(pid))
	require.Zero(t, e.PID())
	require.NoError(t, e.Err(), "stopping is no failure")
	require.ErrorIs(t, e.Start(t.Context()), ErrStopped)
}

func TestStopIsOrderly(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	run := e.current()
	stopEngine(t, e)
	require.NoError(t, run.err, "the child was killed instead of shutting down")
}

func TestStopWhileQueriesRun(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	failed := make(chan error, 1)
	go func() {
		failed <- e.Endpoint().Exec(context.Background(), "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1")
	}()
	eventually(t, "the statement runs", func() bool {
		return strings.HasPrefix(query(t, e, "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'"), "1")
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // No time left: by force.
	require.NoError(t, e.Stop(ctx))
	require.Error(t, <-failed)
}

func TestStopWithoutStart(t *testing.T) {
	dir := t.TempDir()
	e, err := New(testConfig(t, dir))
	require.NoError(t, err)
	stopEngine(t, e)
	startEngine(t, testConfig(t, dir)) // The lock was released.
}

func TestStartGivesUpWhenStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e, err := New(testConfig(t, t.TempDir()))
	require.NoError(t, err)
	require.ErrorIs(t, e.Start(ctx), context.Canceled)
	<-e.Done()
}

func TestBrokenConfigIsReported(t *testing.T) {
	config := testConfig(t, t.TempDir())
	config.ExtraConfig = "<remote_servers>"
	e, err := New(config)
	require.NoError(t, err)
	require.ErrorContains(t, e.Start(t.Context()), "config.xml")
}

func TestBrokenLibraryIsReported(t *testing.T) {
	config := testConfig(t, t.TempDir())
	config.Library = filepath.Join(t.TempDir(), libraryName)
	require.NoError(t, os.WriteFile(config.Library, []byte("no library"), 0o600))
	e, err := New(config)
	require.NoError(t, err)
	require.ErrorContains(t, e.Start(t.Context()), "fetch it again")
}

func TestSecondStartKeepsDataAndPasswords(t *testing.T) {
	dir := t.TempDir()
	first := startEngine(t, testConfig(t, dir))
	makeTable(t, first)
	stopEngine(t, first)

	second := startEngine(t, testConfig(t, dir))
	require.Equal(t, first.Endpoint().Writer, second.Endpoint().Writer)
	require.Equal(t, first.Endpoint().Reader, second.Endpoint().Reader)
	requireRows(t, second)
}

func TestKilledChildIsReplaced(t *testing.T) {
	e := startEngine(t, testConfig(t, t.TempDir()))
	makeTable(t, e)
	before := e.Endpoint()
	for round := 1; round <= 2; round++ {
		pid := e.PID()
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		eventually(t, "a new child answers", func() bool {
			return e.PID() != pid && e.Endpoint().Exec(t.Context(), "SELECT 1") == nil
		})
		require.Equal(t, before, e.Endpoint(), "clients must find it where it was")
		eventually(t, "the restart is counted", func() bool { return e.Restarts() == round })
		var exit *exec.ExitError
		require.ErrorAs(t, e.Err(), &exit)
		requireRows(t, e)
	}
}

func TestParentKilled(t *testing.T) {
	config := testConfig(t, t.TempDir())
	parent := exec.Command("/proc/self/exe")
	if executable, err := os.Executable(); err == nil {
		parent = exec.Command(executable)
	}
	parent.Env = append(os.Environ(), parentDir+"="+config.Dir)
	stdin, err := parent.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	stdout, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	var child int
	_, err = fmt.Sscanf(line, "pid %d", &child)
	require.NoError(t, err, line)
	require.True(t, processAlive(child))

	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	eventually(t, "the orphan exits", func() bool { return !running(child) })

	// Its directory can be taken over, whether or not the orphan was reaped.
	startEngine(t, config)
}

// running is false for zombies too: in a container there may be no one to reap
// an orphan.
func running(pid int) bool {
	text, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(text)), "Z")
}

func TestTwoOwnersAreRefused(t *testing.T) {
	config := testConfig(t, t.TempDir())
	startEngine(t, config)
	_, err := New(config)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
}

func TestMemoryIsBounded(t *testing.T) {
	config := testConfig(t, t.TempDir())
	config.MemoryLimit = 512 * mebibyte
	e := startEngine(t, config)
	for range 2 {
		err := e.Endpoint().Exec(t.Context(), "SELECT length(groupArray(repeat(toString(number), 1000))) FROM numbers(10000000)")
		require.ErrorContains(t, err, "MEMORY_LIMIT_EXCEEDED")
		require.Equal(t, "1\n", query(t, e, "SELECT 1"))
	}
	// The query's own limit is not the only one: all of them together have one.
	err := e.Endpoint().Exec(t.Context(),
		"SELECT length(groupArray(repeat(toString(number), 1000))) FROM numbers(10000000) SETTINGS max_memory_usage = 0")
	require.ErrorContains(t, err, "MEMORY_LIMIT_EXCEEDED")
	require.Equal(t, "1\n", query(t, e, "SELECT 1"))
	require.Zero(t, e.Restarts())
	require.NoError(t, e.Err())
}

func TestFixedPorts(t *testing.T) {
	tcp, http, err := choosePorts(0, 0)
	require.NoError(t, err)
	config := testConfig(t, t.TempDir())
	config.TCPPort, config.HTTPPort = tcp, http
	e := startEngine(t, config)
	require.Equal(t, tcp, e.Endpoint().TCPPort)
	require.Equal(t, http, e.Endpoint().HTTPPort)

	config.Dir = t.TempDir()
	_, err = New(config)
	require.ErrorContains(t, err, "choose another one")
}

func TestValidate(t *testing.T) {
	for name, config := range map[string]Config{
		"no directory":   {},
		"injection":      {Dir: "d", Database: "x.* TO evil; --"},
		"injection too":  {Dir: "d", MoreDatabases: []string{"ok", "not ok"}},
		"negative port":  {Dir: "d", TCPPort: -1},
		"port too large": {Dir: "d", HTTPPort: 1 << 16},
		"equal ports":    {Dir: "d", HTTPPort: 9000, TCPPort: 9000},
		"little memory":  {Dir: "d", MemoryLimit: 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(config)
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrNoLibrary)
		})
	}
	_, err := New(Config{Dir: t.TempDir(), Library: "/nowhere/" + libraryName})
	require.ErrorIs(t, err, ErrNoLibrary, err)
}
