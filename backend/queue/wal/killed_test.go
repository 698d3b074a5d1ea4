package wal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const childDir = "FLOWGAUGE_WAL_TEST_DIR"

// TestKilled kills a process that appends, and looks for what it had acknowledged.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		appendForEver(dir)
	}
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 4 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 100+200*round {
				require.NoError(t, child.Process.Kill())
			}
			acknowledged[lines.Text()] = true // What was in the pipe counts, too.
		}
		require.Error(t, child.Wait())
	}
	require.Greater(t, len(acknowledged), 1000)
	l := open(t, Options{Dir: dir, SegmentBytes: 16 << 10})
	for _, r := range drain(t, l, int(l.Stats().Pending)) {
		delete(acknowledged, string(r.Data))
	}
	require.Empty(t, acknowledged)
}

// appendForEver appends and says so on standard output, one request a line.
func appendForEver(dir string) {
	l, err := New(Options{Dir: dir, SegmentBytes: 16 << 10})
	if err != nil {
		panic(err)
	}
	start := time.Now().UnixNano()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				record := fmt.Sprintf("%d-%d-%d", start, w, i)
				if err := l.Append(context.Background(), texts(record)); err != nil {
					panic(err)
				}
				if _, err := os.Stdout.WriteString(record + "\n"); err != nil {
					os.Exit(1)
				}
			}
		})
	}
	wg.Wait()
}
