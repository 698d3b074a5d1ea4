package wal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disktest"
)

var (
	seeds   = flag.Int("wal.seeds", 400, "how many schedules TestSchedules runs")
	oneSeed = flag.Int("wal.seed", -1, "run this schedule only, and log what happens in it")
)

// TestSchedules runs random schedules on the simulated disk: appends of several
// goroutines, fetches, commits, pauses, clocks that are set back, full disks, calls
// that fail; and then the log is closed, or its process killed, or the power lost, at
// any call, also during recovery. A history checks all that comes out.
func TestSchedules(t *testing.T) {
	first, n := 0, *seeds
	if *oneSeed >= 0 {
		first, n = *oneSeed, 1
	}
	total := outcomes{}
	for seed := first; seed < first+n; seed++ {
		synctest.Test(t, func(t *testing.T) {
			s := newSchedule(t, uint64(seed))
			defer func() {
				if s.log != nil {
					s.disk.Kill()
					_ = s.log.Close()
				}
				if t.Failed() {
					t.Logf("repeat it with -run TestSchedules -wal.seed=%d", seed)
				}
			}()
			for range 2 + s.rng.IntN(5) {
				s.life()
			}
			s.lastLife()
			total.add(s.seen)
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d schedules: %v", n, total)
}

// outcomes counts what happened, so that a run shows that it tested something.
type outcomes map[string]int

func (o outcomes) add(other outcomes) {
	for what, n := range other {
		o[what] += n
	}
}

// schedule is one random run.
type schedule struct {
	t       *testing.T
	rng     *rand.Rand
	disk    *disktest.Disk
	opts    Options
	clock   time.Duration // how far the clock is off
	log     *Log
	history *history
	seen    outcomes
	full    bool // the disk
	plain   bool // the log is not encrypted
	numbers []byte
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	s := &schedule{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), disk: disktest.New(seed),
		history: newHistory(t), seen: outcomes{},
	}
	s.plain = s.rng.IntN(2) == 0
	s.opts = Options{
		Dir:          "/data/wal",
		SegmentBytes: []int64{100, 2 << 10, 6 << 10, 40 << 10}[s.rng.IntN(4)],
		MaxBytes:     1 << 30,
		Now:          func() time.Time { return time.Now().Add(s.clock) },
	}
	if *oneSeed >= 0 {
		s.opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	return s
}

func (s *schedule) note(what string) {
	s.seen[what]++
	if *oneSeed >= 0 {
		s.t.Logf("%v: %s", time.Now().Add(s.clock).UnixMicro(), what)
	}
}

// life opens the log, uses it and ends it somehow.
func (s *schedule) life() {
	s.opts.disk = s.disk
	s.opts.Keys = s.keys()
	if s.rng.IntN(4) == 0 {
		s.disk.PowerOffAfter(s.rng.IntN(25))
	} else if s.rng.IntN(8) == 0 {
		s.failOnce(syscall.EIO)
	}
	if !s.open() {
		return
	}
	steps := s.rng.IntN(14)
	off := -1
	if s.rng.IntN(3) == 0 {
		off = s.rng.IntN(steps + 1)
	}
	for i := range steps {
		if i == off {
			s.disk.PowerOffAfter(s.rng.IntN(12))
		}
		s.step()
		if s.log.Err() != nil {
			s.note("log failed")
			break
		}
	}
	s.end()
}

// keys returns the keys of the next life: of some schedules none, of others more and more,
// the newest first.
func (s *schedule) keys() *Keys {
	if s.plain {
		return nil
	}
	if len(s.numbers) == 0 || s.rng.IntN(4) == 0 {
		s.numbers = append([]byte{byte(len(s.numbers) + 1)}, s.numbers...)
	}
	return testKeys(s.numbers...)
}

// open opens the log. It may fail only if it was made to.
func (s *schedule) open() bool {
	l, err := New(s.opts)
	switch {
	case err == nil:
		s.log = l
		s.history.opened()
		s.note("opened")
		return true
	case errors.Is(err, disktest.ErrPower):
		s.note("power lost while opening")
		s.losePower()
	case errors.Is(err, syscall.EIO):
		s.note("call failed while opening")
		s.disk = s.disk.Kill()
	case noRoom(err):
		s.note("no space while opening")
		require.ErrorContains(s.t, err, "create log folder", "a full disk must not keep a log from being emptied")
		s.disk = s.disk.Kill()
		s.disk.SetCapacity(0, false)
		s.full = false
	default:
		require.NoError(s.t, err)
	}
	return false
}

func (s *schedule) losePower() {
	s.disk = s.disk.PowerLoss()
	s.full = false
	s.disk.SetCapacity(0, false)
}

// end ends a life.
func (s *schedule) end() {
	switch s.rng.IntN(4) {
	case 0:
		s.note("closed")
		if err := s.log.Close(); err == nil && s.rng.IntN(2) == 0 {
			s.losePower() // It must not matter any more.
			return
		}
		s.disk = s.disk.Kill()
	case 1:
		s.note("killed")
		s.disk = s.disk.Kill()
		_ = s.log.Close()
	default:
		s.note("power lost")
		s.losePower()
		_ = s.log.Close()
	}
}

// lastLife reads all that is left.
func (s *schedule) lastLife() {
	s.disk.SetCapacity(0, false)
	s.opts.disk = s.disk
	s.opts.Keys = s.keys()
	require.True(s.t, s.open())
	s.drain()
	s.appends()
	s.drain()
	require.NoError(s.t, s.log.Close())
}

// step does one thing.
func (s *schedule) step() {
	switch n := s.rng.IntN(32); {
	case n < 14:
		s.appends()
	case n < 20:
		s.fetch()
	case n < 24:
		s.commit()
	case n < 26:
		s.note("pause")
		time.Sleep(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
	case n < 27:
		s.note("clock set")
		s.clock = time.Duration(s.rng.IntN(7200)-3600) * time.Second
	case n < 28:
		s.drain()
	case n < 30:
		s.fillDisk()
	default:
		s.failOnce([]syscall.Errno{syscall.EIO, syscall.ENOSPC}[s.rng.IntN(2)])
	}
}

// fillDisk takes all space but a little away, or gives it back.
func (s *schedule) fillDisk() {
	s.full = !s.full
	if !s.full {
		s.note("space is back")
		s.disk.SetCapacity(0, false)
		return
	}
	s.note("disk is full")
	s.disk.SetCapacity(max(1, s.disk.Used()+int64(s.rng.IntN(400))), s.rng.IntN(2) == 0)
}

// failOnce lets one of the next calls fail.
func (s *schedule) failOnce(failure syscall.Errno) {
	s.note(fmt.Sprintf("a call fails with %v", failure))
	after, syncs, done := s.rng.IntN(8), s.rng.IntN(2) == 0, false
	s.disk.OnOp(func(op disktest.Op) error {
		if syncs && op.Kind != disktest.OpSync || failure == syscall.ENOSPC && !needsSpace(op) {
			return nil
		}
		after--
		if done || after >= 0 {
			return nil
		}
		done = true
		return failure
	})
}

func needsSpace(op disktest.Op) bool {
	switch op.Kind {
	case disktest.OpWrite, disktest.OpCreate, disktest.OpSync, disktest.OpSyncDir, disktest.OpMkdir, disktest.OpRename:
		return true
	default:
		return false
	}
}

// appends appends from up to four goroutines and waits for the answers.
func (s *schedule) appends() {
	var wg sync.WaitGroup
	for range 1 + s.rng.IntN(4)*s.rng.IntN(2) {
		var requests []*request
		for range 1 + s.rng.IntN(2) {
			requests = append(requests, s.history.newRequest(s.sizes()))
		}
		wg.Go(func() {
			for _, r := range requests {
				s.history.submit(r)
				s.history.answer(r, s.log.Append(context.Background(), r.data()))
			}
		})
	}
	wg.Wait()
	s.note("append")
}

// sizes returns the sizes of a request's records.
func (s *schedule) sizes() []int {
	sizes := make([]int, 1+s.rng.IntN(3))
	for i := range sizes {
		sizes[i] = s.rng.IntN([]int{1, 40, 700, 9000}[s.rng.IntN(4)])
	}
	return sizes
}

// fetch takes what is there, up to some limit.
func (s *schedule) fetch() (records []queue.Record) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Microsecond)
	defer cancel()
	records, err := s.log.Fetch(ctx, 1+s.rng.IntN(12))
	if err != nil {
		s.note("fetch failed")
		require.NotErrorIs(s.t, err, ErrDamaged)
		s.history.lastFetchWorked = false
		return nil
	}
	s.history.fetched(records)
	s.note("fetch")
	return records
}

// commit commits all that was fetched, or what some of the first fetches returned.
func (s *schedule) commit() {
	if n := s.history.fetches(s.rng); n > 0 && s.rng.IntN(2) == 0 {
		s.history.committed(n, s.log.CommitFirst(context.Background(), n))
		s.note("commit a part")
		return
	}
	s.history.committed(len(s.history.stream)-s.history.done, s.log.Commit(context.Background()))
	s.note("commit")
}

// drain fetches to the end.
func (s *schedule) drain() {
	for len(s.fetch()) > 0 {
	}
	s.log.mu.Lock()
	held := s.log.held // The last group may be there, and comes when there is space.
	s.log.mu.Unlock()
	if s.log.Err() == nil && s.history.lastFetchWorked && !held {
		s.history.drained()
	}
	s.note("drain")
}

// text returns a record's content, which tells what it is.
func text(request, index, size int) string {
	return fmt.Sprintf("%d/%d/", request, index) + strings.Repeat(string(rune('a'+request%26)), size)
}
