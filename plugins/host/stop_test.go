//go:build linux

package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// pid is the process of the plugin that was started last.
func (r *running) pid(t *testing.T) int {
	t.Helper()
	text := r.log.String()
	at := strings.LastIndex(text, "pid=")
	require.Positive(t, at)
	pid, err := strconv.Atoi(strings.Fields(text[at+4:])[0])
	require.NoError(t, err)
	return pid
}

// freeze stops a process as one that never comes back from its work does.
func freeze(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	require.Eventually(t, func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		return err == nil && len(threads) > 0 && !slices.ContainsFunc(threads, func(stat string) bool { return state(stat) != "T" })
	}, time.Minute, 10*time.Millisecond)
}

// state is that of a process or of one of its threads, empty when it is not there.
func state(stat string) string {
	text, err := os.ReadFile(stat)
	_, rest, found := strings.Cut(string(text), ") ")
	if err != nil || !found {
		return ""
	}
	return rest[:1]
}

// there reports whether a process runs: one that has ended may not have been waited for.
func there(pid int) bool {
	is := state(fmt.Sprintf("/proc/%d/stat", pid))
	return is != "" && is != "Z"
}

func TestAFrozenPluginIsKilledAndStartedAgain(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "", false), Timeout: 100 * time.Millisecond})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	frozen := r.pid(t)
	freeze(t, frozen)
	for range 3 {
		require.ErrorContains(t, r.enrich(t, `{}`), "no answer within 100ms")
	}
	r.eventually(t, "another answers", func() bool { return r.pid(t) != frozen && r.enrich(t, `{}`) == nil })
	assert.False(t, there(frozen))
}

func TestAFrozenPluginDoesNotKeepFlowgauge(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	old := r.pid(t)
	freeze(t, old)
	require.NoError(t, r.Reload(t.Context()))
	require.NoError(t, r.enrich(t, `{}`))
	r.eventually(t, "the old one is killed", func() bool { return !there(old) })
	last := r.pid(t)
	freeze(t, last)
	ended := make(chan struct{})
	go func() {
		r.stop()
		close(ended)
	}()
	r.eventually(t, "Run returns", func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	assert.False(t, there(last))
}

// Until its standard error is closed go-plugin does not take a process for ended.
func TestWhatAPluginHasStartedEndsWithIt(t *testing.T) {
	children := filepath.Join(t.TempDir(), "children")
	r := run(t, hosttest.Misbehave(t, func(m *host.Manifest, dir string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "start.sh"), []byte("#!/bin/sh\nsleep 600 &\necho $! >> "+children+"\nexec ./misbehave\n"), 0o700))
		m.Command = []string{"./start.sh"}
	}), host.Use{Settings: hosttest.Settings(t, "crash", false)})
	started := func() (pids []int) {
		text, err := os.ReadFile(children)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			require.NoError(t, err)
			pids = append(pids, pid)
		}
		return pids
	}
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	require.ErrorContains(t, r.enrich(t, `{"a":"poison"}`), "its process has gone")
	r.eventually(t, "it starts again", func() bool { return restarts(r) > 0 && r.Err() == nil })
	require.Len(t, started(), 2)
	r.stop()
	for _, child := range started() {
		r.eventually(t, "what it has started ends", func() bool { return !there(child) })
	}
}
