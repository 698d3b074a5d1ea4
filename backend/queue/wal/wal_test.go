package wal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disktest"
)

func open(t testing.TB, opts Options) *Log {
	t.Helper()
	l, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func texts(s ...string) [][]byte {
	out := make([][]byte, len(s))
	for i := range s {
		out[i] = []byte(s[i])
	}
	return out
}

// drain fetches n records.
func drain(t testing.TB, l *Log, n int) []queue.Record {
	t.Helper()
	var out []queue.Record
	for len(out) < n {
		got, err := l.Fetch(t.Context(), n-len(out))
		require.NoError(t, err)
		require.NotEmpty(t, got)
		out = append(out, got...)
	}
	for i := 1; i < len(out); i++ {
		require.Greater(t, out[i].Version, out[i-1].Version)
	}
	return out
}

func content(records []queue.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = string(r.Data)
	}
	return out
}

// nothing says that no record is there.
func nothing(t testing.TB, l *Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	got, err := l.Fetch(ctx, 10)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestAppendAndFetch(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	before := time.Now().UnixMilli()
	require.NoError(t, l.Append(t.Context(), texts("a", "", "c")))
	require.NoError(t, l.Append(t.Context(), texts("d")))
	require.NoError(t, l.Append(t.Context(), nil))

	s := l.Stats()
	require.Equal(t, int64(4), s.Pending)
	require.Equal(t, 1, s.Segments)
	require.Positive(t, s.OldestAge)

	got := drain(t, l, 2)
	got = append(got, drain(t, l, 2)...)
	require.Equal(t, []string{"a", "", "c", "d"}, content(got))
	require.Equal(t, s.LastVersion, got[3].Version)
	require.GreaterOrEqual(t, got[0].Version.UnixMilli(), before)
	nothing(t, l)

	require.Equal(t, int64(4), l.Stats().Pending, "fetched is not committed")
	require.NoError(t, l.Commit(t.Context()))
	require.Equal(t, int64(0), l.Stats().Pending)
	require.Zero(t, l.Stats().OldestAge)
}

func TestFetchWaits(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	got := make(chan []queue.Record)
	go func() {
		records, _ := l.Fetch(t.Context(), 10)
		got <- records
	}()
	require.NoError(t, l.Append(t.Context(), texts("a")))
	require.Equal(t, []string{"a"}, content(<-got))

	failed := make(chan error)
	go func() {
		_, err := l.Fetch(t.Context(), 10)
		failed <- err
	}()
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-failed, queue.ErrClosed)
	require.ErrorIs(t, l.Append(t.Context(), texts("b")), queue.ErrClosed)
	require.ErrorIs(t, l.Commit(t.Context()), queue.ErrClosed)
}

func TestAppendCancelled(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, l.Append(ctx, texts("a")), context.Canceled)
	nothing(t, l)
}

// Every acknowledged request comes out once, whole and in one piece, from the
// running log and again after a restart.
func TestConcurrentAppends(t *testing.T) {
	const writers, requests = 16, 40
	dir := t.TempDir()
	opts := Options{Dir: dir, SegmentBytes: 8 << 10}
	l, err := New(opts)
	require.NoError(t, err)
	var wg sync.WaitGroup
	total := 0
	for w := range writers {
		r := rand.New(rand.NewPCG(uint64(w), 1))
		sizes := make([]int, requests)
		for i := range sizes {
			sizes[i] = 1 + r.IntN(4)
			total += sizes[i]
		}
		wg.Go(func() {
			for i, n := range sizes {
				var records [][]byte
				for k := range n {
					records = append(records, fmt.Appendf(nil, "%d/%d/%d/%d/%s", w, i, k, n, strings.Repeat("x", k*40)))
				}
				if err := l.Append(context.Background(), records); err != nil {
					t.Error(err)
				}
			}
		})
	}
	check := func(l *Log) {
		got := drain(t, l, total)
		next := map[int]int{} // by writer
		for at := 0; at < len(got); {
			var w, i, k, n int
			_, err := fmt.Sscanf(string(got[at].Data), "%d/%d/%d/%d", &w, &i, &k, &n)
			require.NoError(t, err)
			require.Equal(t, next[w], i, "a writer's requests keep their order")
			next[w]++
			for ; k < n; k++ {
				require.True(t, strings.HasPrefix(string(got[at].Data), fmt.Sprintf("%d/%d/%d/", w, i, k)))
				at++
			}
		}
		nothing(t, l)
	}
	check(l) // While they write.
	wg.Wait()
	require.Greater(t, l.Stats().Segments, 3)
	require.NoError(t, l.Close())
	check(open(t, opts))
}

func TestPositionSurvives(t *testing.T) {
	opts := Options{Dir: t.TempDir(), SegmentBytes: 200}
	l, err := New(opts)
	require.NoError(t, err)
	for i := range 40 {
		require.NoError(t, l.Append(t.Context(), texts(fmt.Sprintf("%02d-a", i), fmt.Sprintf("%02d-b", i))))
	}
	segments := l.Stats().Segments
	require.Greater(t, segments, 5)
	got := drain(t, l, 41) // In the middle of a group.
	require.NoError(t, l.Commit(t.Context()))
	require.NoError(t, l.Commit(t.Context()))
	require.Less(t, l.Stats().Segments, segments)
	drain(t, l, 7) // Not committed.
	s := l.Stats()
	require.Equal(t, int64(39), s.Pending)
	require.NoError(t, l.Close())

	l = open(t, opts)
	require.Equal(t, int64(39), l.Stats().Pending)
	require.Positive(t, l.Stats().OldestAge)
	rest := drain(t, l, 39)
	require.Equal(t, "20-b", string(rest[0].Data))
	require.Equal(t, got[40].Version+1, rest[0].Version)
	require.NoError(t, l.Commit(t.Context()))
	require.Equal(t, 1, l.Stats().Segments)
	files, err := filepath.Glob(filepath.Join(opts.Dir, "*"+segmentSuffix))
	require.NoError(t, err)
	require.Len(t, files, 1)
}

// A position that is lost or damaged loses nothing: records come again. When one of its
// slots is whole, those that were committed before it was written do not.
func TestPositionDamaged(t *testing.T) {
	f := built(t, Options{}, func(t *testing.T, l *Log) {
		require.NoError(t, l.Append(t.Context(), texts("a", "b", "c")))
		for range 2 {
			drain(t, l, 1)
			require.NoError(t, l.Commit(t.Context()))
		}
	})
	b := f[positionName]
	for i := range b {
		got, err := f.with(positionName, flipped(b, i, 0)).contents(t, Options{})
		require.NoError(t, err)
		if len(got) == 2 {
			require.Equal(t, []string{"b", "c"}, got)
			continue
		}
		require.Equal(t, []string{"c"}, got)
	}
	for cut := range slotStride {
		got, err := f.with(positionName, b[:cut]).contents(t, Options{})
		require.NoError(t, err)
		require.Subset(t, []string{"a", "b", "c"}, got)
		require.GreaterOrEqual(t, len(got), 1)
	}
	got, err := f.without(positionName).contents(t, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, got)
}

// What cannot be read any more does not keep what was fetched before from being committed.
func TestCommitInFrontOfDamage(t *testing.T) {
	l, d, err := files{}.open(t, Options{})
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), texts("one")))
	require.NoError(t, l.Append(t.Context(), texts("two")))
	drain(t, l, 1)
	d.OnOp(func(op disktest.Op) error {
		if op.Kind == disktest.OpRead || op.Kind == disktest.OpOpen {
			return syscall.EIO
		}
		return nil
	})
	l.read.cursor.ahead = nil
	require.NoError(t, l.Commit(t.Context()))
	require.Equal(t, int64(1), l.Stats().Pending)
	_, err = l.Fetch(t.Context(), 1)
	require.ErrorIs(t, err, syscall.EIO)
	d.OnOp(nil)
	require.Equal(t, []string{"two"}, content(drain(t, l, 1)))
	require.NoError(t, l.Commit(t.Context()))
	require.Zero(t, l.Stats().Pending)
	require.NoError(t, l.Close())
}

// Versions rise although the clock is set back, in a run and across restarts, even
// when everything was consumed.
func TestClockSetBack(t *testing.T) {
	now := time.Now()
	opts := Options{Dir: t.TempDir(), SegmentBytes: 100, Now: func() time.Time { return now }}
	var last queue.Version
	for range 4 {
		l, err := New(opts)
		require.NoError(t, err)
		for range 3 {
			now = now.Add(-time.Hour)
			require.NoError(t, l.Append(t.Context(), texts("some record", "and another")))
			got := drain(t, l, 2)
			require.Greater(t, got[0].Version, last)
			require.Equal(t, got[0].Version+1, got[1].Version)
			last = got[1].Version
		}
		require.NoError(t, l.Commit(t.Context()))
		require.NoError(t, l.Close())
	}
	now = time.Now().Add(time.Hour)
	l := open(t, opts)
	require.NoError(t, l.Append(t.Context(), texts("x")))
	require.Equal(t, queue.Version(now.UnixMicro()), drain(t, l, 1)[0].Version, "and follow it again")
}

func TestFull(t *testing.T) {
	opts := Options{Dir: t.TempDir(), SegmentBytes: 10_000, MaxBytes: 40_000}
	l := open(t, opts)
	record := texts(strings.Repeat("x", 3000))
	n := 0
	for ; ; n++ {
		if err := l.Append(t.Context(), record); err != nil {
			require.ErrorIs(t, err, queue.ErrFull)
			break
		}
	}
	require.GreaterOrEqual(t, n, 8)
	require.LessOrEqual(t, l.Stats().Bytes, opts.MaxBytes)
	drain(t, l, n)
	require.ErrorIs(t, l.Append(t.Context(), record), queue.ErrFull, "fetched is not committed")
	require.NoError(t, l.Commit(t.Context()))
	require.NoError(t, l.Append(t.Context(), record))
	require.ErrorIs(t, l.Append(t.Context(), texts(strings.Repeat("x", 40_000))), queue.ErrFull)
}

// A group may be larger than a segment, and fills the log; once it is consumed
// there is room again.
func TestGroupLargerThanASegment(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), SegmentBytes: 1 << 20, MaxBytes: 4 << 20})
	large := texts(strings.Repeat("x", 3<<20))
	for range 3 {
		require.NoError(t, l.Append(t.Context(), large))
		require.ErrorIs(t, l.Append(t.Context(), large), queue.ErrFull)
		require.Len(t, drain(t, l, 1)[0].Data, 3<<20)
		require.NoError(t, l.Commit(t.Context()))
	}
}

func TestLocked(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	l, err := New(opts)
	require.NoError(t, err)
	_, err = New(opts)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	open(t, opts)
}

// After a sync that failed nothing is acknowledged, and nothing is tried again.
func TestSyncFailureIsFatal(t *testing.T) {
	broken, syncs := false, 0
	d := disktest.New(1)
	d.OnOp(func(op disktest.Op) error {
		if op.Kind == disktest.OpSync && broken {
			syncs++
			return syscall.EIO
		}
		return nil
	})
	opts := Options{Dir: "wal", disk: d}
	l, err := New(opts)
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), texts("kept")))
	require.NoError(t, l.Err())
	broken = true
	require.ErrorIs(t, l.Append(t.Context(), texts("lost")), syscall.EIO)
	<-l.Failed()
	require.ErrorIs(t, l.Err(), syscall.EIO)
	broken = false
	require.ErrorIs(t, l.Append(t.Context(), texts("never")), syscall.EIO)
	require.Equal(t, []string{"kept"}, content(drain(t, l, 1)), "what is durable can still be read")
	_, err = l.Fetch(t.Context(), 1)
	require.ErrorIs(t, err, syscall.EIO)
	require.NoError(t, l.Close())
	require.Equal(t, 1, syncs)
}

// A full disk refuses the group and leaves no trace of it; the position is
// written all the same.
func TestDiskFull(t *testing.T) {
	var full bool
	d := disktest.New(1)
	d.OnOp(func(op disktest.Op) error {
		if full && op.Kind == disktest.OpWrite && !strings.HasSuffix(op.Path, positionName) {
			return syscall.ENOSPC
		}
		return nil
	})
	opts := Options{Dir: "wal", SegmentBytes: 120, disk: d}
	l, err := New(opts)
	require.NoError(t, err)
	for i := range 4 {
		require.NoError(t, l.Append(t.Context(), texts(fmt.Sprintf("before %d, which is long enough", i))))
		full = true
		require.ErrorIs(t, l.Append(t.Context(), texts("refused")), queue.ErrFull)
		require.ErrorIs(t, l.Append(t.Context(), texts(strings.Repeat("refused", 20))), queue.ErrFull)
		drain(t, l, 1)
		require.NoError(t, l.Commit(t.Context()))
		require.Equal(t, int64(0), l.Stats().Pending)
		full = false
	}
	require.NoError(t, l.Append(t.Context(), texts("after")))
	require.NoError(t, l.Close())
	require.Equal(t, []string{"after"}, content(drain(t, open(t, opts), 1)))
}

func TestOptionsValidate(t *testing.T) {
	for _, o := range []Options{{}, {Dir: "x", SegmentBytes: -1}, {Dir: "x", SegmentBytes: 10, MaxBytes: 19}} {
		require.Error(t, o.Validate())
	}
}
