package wal

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// crashed copies a log's files as they are, as if its process had died here.
func crashed(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, e.Name()), b, 0o600))
	}
	return to
}

// newest returns the path and content of the newest segment.
func newest(t testing.TB, dir string) (string, []byte) {
	t.Helper()
	segments, err := listSegments(disk.OS{}, dir)
	require.NoError(t, err)
	path := segments[len(segments)-1].path
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return path, b
}

// three returns a crashed log of three groups, and where each ends.
func three(t testing.TB) (dir string, ends []int) {
	t.Helper()
	l := open(t, Options{Dir: t.TempDir()})
	for _, g := range [][][]byte{texts("one"), texts("two", "three"), texts("four", "five", strings.Repeat("six", 9))} {
		require.NoError(t, l.Append(t.Context(), g))
		_, b := newest(t, l.opts.Dir)
		ends = append(ends, len(b))
	}
	return crashed(t, l.opts.Dir), ends
}

// A last group that is torn at any byte is cut off; what was acknowledged before
// it stays, and the log goes on.
func TestTornTail(t *testing.T) {
	base, ends := three(t)
	_, whole := newest(t, base)
	for cut := ends[1]; cut < ends[2]; cut++ {
		for _, zeros := range []bool{false, true} {
			dir := crashed(t, base)
			path, _ := newest(t, dir)
			torn := bytes.Clone(whole[:cut])
			if zeros { // The size was written before the data.
				torn = append(torn, make([]byte, ends[2]-cut)...)
			}
			require.NoError(t, os.WriteFile(path, torn, 0o600))
			l, err := New(Options{Dir: dir})
			require.NoError(t, err, cut)
			require.Equal(t, []string{"one", "two", "three"}, content(drain(t, l, 3)))
			require.NoError(t, l.Append(t.Context(), texts("more")))
			require.Equal(t, []string{"more"}, content(drain(t, l, 1)))
			require.NoError(t, l.Close())
			l, err = New(Options{Dir: dir})
			require.NoError(t, err)
			require.Equal(t, []string{"one", "two", "three", "more"}, content(drain(t, l, 4)))
			require.NoError(t, l.Close())
			if cut > ends[1] {
				aside, err := os.ReadFile(fmt.Sprintf("%s.torn-%d", path, ends[1]))
				require.NoError(t, err)
				require.Equal(t, torn[ends[1]:], aside)
			}
		}
	}
}

// A flipped bit is found wherever it is. In the last group after a crash it cannot
// be told from a torn write; everywhere else the log refuses to open, and
// changes nothing.
func TestFlippedBytes(t *testing.T) {
	base, ends := three(t)
	_, whole := newest(t, base)
	for i := range whole {
		dir := crashed(t, base)
		path, _ := newest(t, dir)
		flipped := bytes.Clone(whole)
		flipped[i] ^= 0x10
		require.NoError(t, os.WriteFile(path, flipped, 0o600))
		l, err := New(Options{Dir: dir})
		if i >= ends[1] {
			require.NoError(t, err, i)
			require.Equal(t, []string{"one", "two", "three"}, content(drain(t, l, 3)))
			require.NoError(t, l.Close())
			continue
		}
		var damaged *DamagedError
		if i >= 8 && i < 12 { // The format's number: the header's checksum is wrong, too.
			require.Error(t, err)
		}
		require.ErrorAs(t, err, &damaged, i)
		require.ErrorIs(t, err, ErrDamaged)
		require.Equal(t, path, damaged.File)
		require.Contains(t, err.Error(), path)
		require.LessOrEqual(t, damaged.Offset, int64(i))
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, flipped, after)
	}
}

// In a log that was closed the last group is as safe as the others.
func TestFlippedByteInAClosedLog(t *testing.T) {
	dir, ends := three(t)
	l, err := New(Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	path, b := newest(t, dir)
	for i := ends[1]; i < ends[2]; i++ {
		b[i] ^= 1
		require.NoError(t, os.WriteFile(path, b, 0o600))
		_, err := New(Options{Dir: dir})
		require.ErrorIs(t, err, ErrDamaged, i)
		b[i] ^= 1
	}
	require.NoError(t, os.WriteFile(path, b, 0o600))
	require.Len(t, drain(t, open(t, Options{Dir: dir}), 6), 6)
}

// Only the newest segment may end in a torn group.
func TestDamageInAnOlderSegment(t *testing.T) {
	opts := Options{Dir: t.TempDir(), SegmentBytes: 100}
	l, err := New(opts)
	require.NoError(t, err)
	for i := range 6 {
		require.NoError(t, l.Append(t.Context(), texts(fmt.Sprintf("record number %d of a segment", i))))
	}
	require.NoError(t, l.Close())
	segments, err := listSegments(disk.OS{}, opts.Dir)
	require.NoError(t, err)
	require.Greater(t, len(segments), 2)
	b, err := os.ReadFile(segments[1].path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(segments[1].path, b[:len(b)-1], 0o600))
	_, err = New(opts)
	require.ErrorIs(t, err, ErrDamaged)

	// The way out that the error names.
	require.NoError(t, os.Rename(segments[1].path, filepath.Join(t.TempDir(), "aside")))
	l = open(t, opts)
	require.Equal(t, "record number 0 of a segment", string(drain(t, l, 1)[0].Data))
}

// What rots while the log is open is found when it is read.
func TestDamageIsFoundOnRead(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	l := open(t, opts)
	require.NoError(t, l.Append(t.Context(), texts("one")))
	require.NoError(t, l.Append(t.Context(), texts("two")))
	path, b := newest(t, opts.Dir)
	b[len(b)-1] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
	require.Equal(t, []string{"one"}, content(drain(t, l, 1)))
	for range 2 {
		_, err := l.Fetch(t.Context(), 1)
		require.ErrorIs(t, err, ErrDamaged)
	}
}

// A sender who puts frames into an event cannot make a torn group look like damage.
func TestForgedFrameInARecord(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	l := open(t, opts)
	forged := make([]byte, frameHeader+4)
	copy(forged[frameHeader:], "\x03abc")
	sealFrame(forged, 1, 1<<60, 0)
	require.NoError(t, l.Append(t.Context(), texts("one")))
	require.NoError(t, l.Append(t.Context(), [][]byte{forged}))
	dir := crashed(t, opts.Dir)
	path, b := newest(t, dir)
	require.Contains(t, string(b), string(forged))
	b[len(b)-len(forged)-3] ^= 1 // The real header.
	require.NoError(t, os.WriteFile(path, b, 0o600))
	require.Equal(t, []string{"one"}, content(drain(t, open(t, Options{Dir: dir}), 1)))
}

// A segment whose creation did not end held nothing.
func TestUnfinishedSegment(t *testing.T) {
	for size := range segmentHeader {
		opts := Options{Dir: t.TempDir()}
		l, err := New(opts)
		require.NoError(t, err)
		require.NoError(t, l.Append(t.Context(), texts("one")))
		last := l.Stats().LastVersion
		require.NoError(t, l.Close())
		require.NoError(t, os.WriteFile(segmentPath(opts.Dir, uint64(last)+1e9), make([]byte, size), 0o600))
		l, err = New(opts)
		require.NoError(t, err)
		require.NoError(t, l.Append(t.Context(), texts("two")))
		require.Equal(t, []string{"one", "two"}, content(drain(t, l, 2)))
		require.NoError(t, l.Close())
	}
}

// A model of the log: what is acknowledged and not committed comes out, in order,
// whatever happens in between.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		opts := Options{Dir: t.TempDir(), SegmentBytes: int64(rapid.IntRange(60, 400).Draw(rt, "segment"))}
		l, err := New(opts)
		require.NoError(rt, err)
		var pending []string
		fetched, n := 0, 0
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				var records [][]byte
				for range rapid.IntRange(1, 4).Draw(rt, "records") {
					s := fmt.Sprintf("%d%s", n, strings.Repeat("x", rapid.IntRange(0, 200).Draw(rt, "size")))
					records = append(records, []byte(s))
					pending = append(pending, s)
					n++
				}
				require.NoError(rt, l.Append(context.Background(), records))
			},
			"fetch": func(rt *rapid.T) {
				if fetched == len(pending) {
					rt.Skip("nothing there")
				}
				got, err := l.Fetch(context.Background(), rapid.IntRange(1, 6).Draw(rt, "max"))
				require.NoError(rt, err)
				require.NotEmpty(rt, got)
				require.Equal(rt, pending[fetched:fetched+len(got)], content(got))
				fetched += len(got)
			},
			"commit": func(rt *rapid.T) {
				require.NoError(rt, l.Commit(context.Background()))
				pending, fetched = pending[fetched:], 0
			},
			"restart": func(rt *rapid.T) {
				require.NoError(rt, l.Close())
				l, err = New(opts)
				require.NoError(rt, err)
				fetched = 0
			},
			"crash": func(rt *rapid.T) {
				opts.Dir = crashed(t, opts.Dir)
				require.NoError(rt, l.Close())
				l, err = New(opts)
				require.NoError(rt, err)
				fetched = 0
			},
			"": func(rt *rapid.T) {
				s := l.Stats()
				require.Equal(rt, int64(len(pending)), s.Pending)
				require.Equal(rt, len(pending) > 0, l.oldest > 0)
				segments, err := listSegments(disk.OS{}, opts.Dir)
				require.NoError(rt, err)
				require.Len(rt, segments, s.Segments)
				var bytes int64
				for _, s := range segments {
					info, err := os.Stat(s.path)
					require.NoError(rt, err)
					bytes += info.Size()
				}
				require.Equal(rt, bytes, s.Bytes)
			},
		})
		require.NoError(rt, l.Close())
	})
}

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
