package wal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disktest"
)

// script uses a log in a fixed way that makes every kind of call: it opens it, appends
// over several segments, fetches, commits, waits for the mark, and closes it. It returns
// what was acknowledged, what was refused for want of space, and up to where a Commit
// returned nil or may have worked.
type script struct {
	acknowledged, refused    map[string]bool
	committed, mayBeCommited int
	errs                     []error
}

func (s *script) run(t *testing.T, d *disktest.Disk) {
	s.acknowledged, s.refused = map[string]bool{}, map[string]bool{}
	note := func(err error) {
		if err != nil {
			s.errs = append(s.errs, err)
		}
	}
	l, err := New(Options{Dir: simDir, disk: d, SegmentBytes: 3000, Keys: testKeys(1)})
	if note(err); err != nil {
		return
	}
	fetched := 0
	for i := range 6 {
		text := strconv.Itoa(i) + strings.Repeat("x", 900)
		err := l.Append(context.Background(), texts(text))
		if note(err); err == nil {
			s.acknowledged[text] = true
		}
		s.refused[text] = errors.Is(err, queue.ErrFull)
		if i%2 == 0 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			records, err := l.Fetch(ctx, 1)
			cancel()
			note(err)
			if len(records) == 1 {
				_, err := fmt.Sscanf(string(records[0].Data), "%dx", &fetched)
				require.NoError(t, err)
				fetched++
			}
		}
		if i%3 == 2 && fetched > 0 {
			err := l.Commit(context.Background())
			note(err)
			s.mayBeCommited = fetched
			if err == nil {
				s.committed = fetched
			}
		}
		if i == 3 {
			marked()
		}
	}
	note(l.Err())
	note(l.Close())
}

// check opens the log again, and compares.
func (s *script) check(t *testing.T, d *disktest.Disk, detail string) {
	l, err := New(Options{Dir: simDir, disk: d, Keys: testKeys(1)})
	require.NoError(t, err, detail)
	got := map[string]bool{}
	for _, r := range drain(t, l, int(l.Stats().Pending)) {
		require.False(t, got[string(r.Data)], detail)
		got[string(r.Data)] = true
		require.False(t, s.refused[string(r.Data)], "%s: it was refused", detail)
		require.GreaterOrEqual(t, int(r.Data[0]-'0'), s.committed, "%s: it was committed", detail)
	}
	for text := range s.acknowledged {
		require.True(t, got[text] || int(text[0]-'0') < s.mayBeCommited, "%s: %.1s is lost", detail, text)
	}
	require.NoError(t, l.Append(t.Context(), texts("more")), detail)
	require.NoError(t, l.Close(), detail)
}

// every runs the script with something happening at each of its calls.
func every(t *testing.T, happens func(d *disktest.Disk, n int) (happened func() bool), after func(t *testing.T, s *script, d *disktest.Disk, detail string)) {
	t.Helper()
	for seed := range uint64(6) {
		for n, more := 0, true; more; n++ {
			synctest.Test(t, func(t *testing.T) {
				d := disktest.New(seed)
				happened := happens(d, n)
				s := &script{}
				s.run(t, d)
				more = happened()
				after(t, s, d, fmt.Sprintf("call %d, seed %d", n, seed))
			})
			if t.Failed() {
				return
			}
		}
	}
}

// failing lets the nth call that a filter accepts fail, and those after it if it lasts.
func failing(err error, lasts bool, accepts func(disktest.Op) bool) func(d *disktest.Disk, n int) func() bool {
	return func(d *disktest.Disk, n int) func() bool {
		failed := false
		d.OnOp(func(op disktest.Op) error {
			if !accepts(op) {
				return nil
			}
			if n--; n == -1 || n < -1 && lasts {
				failed = true
				return err
			}
			return nil
		})
		return func() bool {
			d.OnOp(nil)
			return failed
		}
	}
}

// The power may fail at every call.
func TestPowerLossAtEveryCall(t *testing.T) {
	every(t, func(d *disktest.Disk, n int) func() bool {
		d.PowerOffAfter(n)
		return func() bool { return d.Ops() >= n }
	}, func(t *testing.T, s *script, d *disktest.Disk, detail string) {
		s.check(t, d.PowerLoss(), detail)
	})
}

// Every call may fail. The log may refuse all work then, but what it acknowledged is
// there after a new start, and after a power loss.
func TestFailureAtEveryCall(t *testing.T) {
	for _, power := range []bool{false, true} {
		every(t, failing(syscall.EIO, false, func(disktest.Op) bool { return true }), func(t *testing.T, s *script, d *disktest.Disk, detail string) {
			for _, err := range s.errs {
				require.NotErrorIs(t, err, ErrDamaged, detail)
			}
			if d = d.Kill(); power {
				d = d.PowerLoss()
			}
			s.check(t, d, detail)
		})
	}
}

// A full disk may be found at every call that needs space, once or for good. Then
// Appends get queue.ErrFull and nothing of them is kept; the log does not fail.
func TestFullDiskAtEveryCall(t *testing.T) {
	for _, lasts := range []bool{false, true} {
		needs := func(op disktest.Op) bool {
			// Writing over what is in the position file needs no space.
			return needsSpace(op) && !strings.HasSuffix(op.Path, positionName) && strings.HasPrefix(op.Path, simDir) && op.Kind != disktest.OpMkdir
		}
		every(t, failing(syscall.ENOSPC, lasts, needs), func(t *testing.T, s *script, d *disktest.Disk, detail string) {
			for _, err := range s.errs {
				// A group whose rest could not be taken away before the end is a warning of Close.
				require.ErrorIs(t, err, syscall.ENOSPC, detail)
			}
			require.Equal(t, 6, len(s.acknowledged)+count(s.refused), detail)
			s.check(t, d.Kill(), detail)
		})
	}
}

func count(m map[string]bool) (n int) {
	for _, is := range m {
		if is {
			n++
		}
	}
	return n
}

// A log at its limit takes nothing until something is committed; what it refused is
// not in it, and what it took comes out once.
func TestBackpressure(t *testing.T) {
	const writers, requests = 8, 60
	opts := Options{Dir: simDir, disk: disktest.New(1), SegmentBytes: 8 << 10, MaxBytes: 40 << 10}
	synctest.Test(t, func(t *testing.T) {
		l, err := New(opts)
		require.NoError(t, err)
		var wg sync.WaitGroup
		var refused atomic.Int64
		for w := range writers {
			wg.Go(func() {
				for i := 0; i < requests; {
					err := l.Append(context.Background(), texts(fmt.Sprintf("%d/%d/%s", w, i, strings.Repeat("x", 500))))
					if errors.Is(err, queue.ErrFull) {
						refused.Add(1)
						time.Sleep(time.Millisecond)
						continue
					}
					if err != nil {
						t.Error(err)
					}
					i++
				}
			})
		}
		next := [writers]int{}
		for range writers * requests / 12 {
			time.Sleep(10 * time.Millisecond)
			// The newest segment does not count when it is consumed, nor do headers.
			require.LessOrEqual(t, l.Stats().Bytes, opts.MaxBytes+opts.SegmentBytes+segmentHeader)
			for _, r := range drain(t, l, 12) {
				var w, i int
				_, err := fmt.Sscanf(string(r.Data), "%d/%d/", &w, &i)
				require.NoError(t, err)
				require.Equal(t, next[w], i, "once, and in order")
				next[w]++
			}
			require.NoError(t, l.Commit(t.Context()))
		}
		wg.Wait()
		for w := range writers {
			require.Equal(t, requests, next[w])
		}
		require.Positive(t, refused.Load())
		nothing(t, l)
		require.Equal(t, 1, l.Stats().Segments)
		require.NoError(t, l.Close())
	})
}
