// Package lease elects one of several processes to do what only one may do in a
// database, and orders what successive ones write.
//
//	wait ──(nobody holds it)──> claim ──(the only claim)──> lead ──> release
//	  ^                           │                           │
//	  └──────(others claimed)─────┘<────(a later term)────────┘
//
// Every leadership is a term, numbered from 1. A candidate that finds the last
// term released, or silent for the time to live, claims the next number and looks
// again: the claim counts only if no other claim of that number or of a higher one
// is there. Of two claims at least one is seen by the other's second look, so no
// number is ever held twice.
//
// # What it promises
//
// Time decides only when a term is given up for lost, never what is right: a
// process that is stopped for an hour and wakes up believes for a moment that it
// leads. So a leader gets its numbers from Allocate, which writes the number into
// the lease and then looks whether a later term is there. A number that Allocate
// returned is therefore seen by every later term, whose own numbers are higher:
// numbers are in the order of terms, whatever any clock says.
//
// The same register lets those who do not lead order themselves against it: what
// Stamp evaluates to is higher than every number allocated before, and lower than
// every number that a leader allocates after it has seen the stamp.
//
// # Holders
//
// A holder's name stays the same when its process starts again, so that a process
// that was killed resumes at once. It does so under a new term: statements of the
// old process may still be under way on the server.
//
// # On a cluster
//
// All rows of the table have the same sharding key, are written to a quorum and
// read with sequential consistency, so a read sees every write before it.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// DefaultTTL is how long a leader may be silent before another takes over.
const DefaultTTL = 15 * time.Second

// ErrLost says that another process has taken over.
var ErrLost = errors.New("another process leads now")

// Config says what is led and by whom.
type Config struct {
	Client *clickhouse.Client
	Name   string        // of what is led, e.g. "rollup"
	Holder string        // of the candidate; no two that live have the same
	TTL    time.Duration // DefaultTTL if 0
	Logger *slog.Logger
}

// Lease is one candidate.
type Lease struct {
	cfg Config
}

// New returns a candidate; it does nothing until Run or Acquire.
func New(cfg Config) (*Lease, error) {
	switch {
	case cfg.Client == nil:
		return nil, errors.New("lease: no ClickHouse client")
	case cfg.Name == "" || cfg.Holder == "":
		return nil, errors.New("lease: it needs a name and a holder")
	case cfg.TTL < 0:
		return nil, fmt.Errorf("lease: the time to live is %v; it must be 0 (the default) or more", cfg.TTL)
	}
	if cfg.TTL == 0 {
		cfg.TTL = DefaultTTL
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Lease{cfg: cfg}, nil
}

// Run calls lead whenever this process leads, until ctx ends. The context that
// lead gets ends when the term is lost. When lead returns, the term is released,
// and the next one may be another's or this one's again.
func (l *Lease) Run(ctx context.Context, lead func(ctx context.Context, term *Term) error) error {
	for {
		term, err := l.Acquire(ctx)
		if err != nil {
			return nil // ctx ended
		}
		err = lead(term.ctx, term)
		term.Release()
		if err != nil && !errors.Is(err, ErrLost) && ctx.Err() == nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// Acquire waits until this process leads. It returns an error only when ctx has
// ended. The term must be released.
func (l *Lease) Acquire(ctx context.Context) (*Term, error) {
	var seen observation
	waiting := false
	for {
		s, err := l.read(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			seen = observation{} // nobody shows signs of life while the server is away
			l.cfg.Logger.Debug("look who leads", "lease", l.cfg.Name, "error", err)
		case seen.free(s, l.cfg, time.Now()):
			term, err := l.claim(ctx, s)
			if err == nil {
				l.cfg.Logger.Info("this process leads", "lease", l.cfg.Name, "term", term.number)
				return term, nil
			}
			l.cfg.Logger.Debug("claim a term", "lease", l.cfg.Name, "error", err)
		case !waiting:
			waiting = true
			l.cfg.Logger.Info("another process leads; this one stands by", "lease", l.cfg.Name, "leader", s.holder(), "term", s.term)
		}
		// Candidates that collided come back at different times.
		pause := l.cfg.TTL/10 + rand.N(l.cfg.TTL/10+1) //nolint:gosec // no secret
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// observation remembers since when the last term has shown no sign of life. It
// finds a dead leader even if the server's clock was set back.
type observation struct {
	beats beats
	since time.Time
}

// free reports whether a candidate may claim the next term.
func (o *observation) free(s state, cfg Config, now time.Time) bool {
	if last := s.beats(); o.since.IsZero() || last != o.beats {
		o.beats, o.since = last, now
	}
	if now.Sub(o.since) > cfg.TTL {
		return true
	}
	for _, c := range s.claims {
		alive := !c.released && c.holder != cfg.Holder && c.seen+uint64(cfg.TTL.Microseconds()) > s.now
		if alive {
			return false
		}
	}
	return true
}
