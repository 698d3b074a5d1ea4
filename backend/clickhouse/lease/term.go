package lease

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

// Term is one leadership. Its methods may be called by many goroutines.
type Term struct {
	lease  *Lease
	number uint64
	id     string

	ctx     context.Context // ends when the term is lost or released
	cancel  context.CancelCauseFunc
	stopped chan struct{}

	mu       sync.Mutex // orders the rows of the claim
	beat     uint64
	stamp    uint64 // no row of the claim may have a lower one
	recorded uint64 // the highest of acknowledged rows
}

// claim tries to get the term after the one in s.
func (l *Lease) claim(ctx context.Context, s state) (*Term, error) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	t := &Term{lease: l, number: s.term + 1, id: hex.EncodeToString(random[:]), stamp: s.stamp, stopped: make(chan struct{})}
	if err := t.write(ctx, t.stamp, false); err != nil {
		t.withdraw(ctx)
		return nil, err
	}
	// Everything below happens after the claim is visible to all.
	s, err := l.read(ctx)
	if err != nil {
		t.withdraw(ctx)
		return nil, err
	}
	if s.term != t.number || len(s.claims) != 1 {
		t.withdraw(ctx)
		return nil, errors.New("others claimed the same term")
	}
	t.stamp, t.recorded = s.stamp, s.stamp
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	go t.keep()
	return t, nil
}

// Number is the term's. Successive terms have successive numbers, but some may
// have had no leader.
func (t *Term) Number() uint64 { return t.number }

// Stamp returns a number that is lower than every stamp taken from now on.
func (t *Term) Stamp() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.recorded
}

// Allocate returns a multiple of unit that is at least atLeast and higher than
// everything allocated before, in this term or an earlier one. All numbers up to
// the next multiple belong to the caller. It returns ErrLost when a later term is
// there; then the number must not be used.
func (t *Term) Allocate(ctx context.Context, atLeast, unit uint64) (uint64, error) {
	t.mu.Lock()
	first := (max(atLeast, t.stamp+1) + unit - 1) / unit * unit
	err := t.writeLocked(ctx, first+unit-1, false)
	t.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return first, t.Check(ctx)
}

// Check asks the database whether this term is still the last one; ErrLost says
// that it is not.
func (t *Term) Check(ctx context.Context) error {
	s, err := t.lease.read(ctx)
	if err != nil {
		return err
	}
	if s.term > t.number {
		t.cancel(ErrLost)
		return ErrLost
	}
	return nil
}

// Release gives the term up at once, if it is not lost.
func (t *Term) Release() {
	t.cancel(context.Canceled)
	<-t.stopped
	t.withdraw(t.ctx)
}

// withdraw says that nobody leads the term. Without it others wait until the
// claim has been silent for long enough.
func (t *Term) withdraw(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := t.write(ctx, t.stamp, true); err != nil {
		t.lease.cfg.Logger.Debug("release a term", "lease", t.lease.cfg.Name, "term", t.number, "error", err)
	}
}

// keep shows signs of life until the term ends.
func (t *Term) keep() {
	defer close(t.stopped)
	tick := time.NewTicker(max(t.lease.cfg.TTL/5, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-tick.C:
		}
		if err := t.heartbeat(); err != nil && t.ctx.Err() == nil {
			t.lease.cfg.Logger.Debug("keep a term", "lease", t.lease.cfg.Name, "term", t.number, "error", err)
		}
	}
}

func (t *Term) heartbeat() error {
	ctx, cancel := context.WithTimeout(t.ctx, t.lease.cfg.TTL)
	defer cancel()
	s, err := t.lease.read(ctx)
	if err != nil {
		return err
	}
	if s.term > t.number {
		t.lease.cfg.Logger.Warn("another process has taken over", "lease", t.lease.cfg.Name, "leader", s.holder(), "term", s.term)
		t.cancel(ErrLost)
		return ErrLost
	}
	return t.write(ctx, s.now, false)
}

func (t *Term) write(ctx context.Context, stamp uint64, released bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.writeLocked(ctx, stamp, released)
}

// writeLocked adds a row whose stamp is no lower than the last. A row whose answer
// was lost may be there, so its stamp counts as written for what comes next.
func (t *Term) writeLocked(ctx context.Context, stamp uint64, released bool) error {
	t.beat++
	t.stamp = max(t.stamp, stamp)
	if err := t.lease.write(ctx, t.number, t.id, t.beat, t.stamp, released); err != nil {
		return err
	}
	t.recorded = t.stamp
	return nil
}
