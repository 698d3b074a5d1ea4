package rollup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowgauge/flowgauge/backend/clickhouse/lease"
	"github.com/flowgauge/flowgauge/backend/telemetry/span"
)

// longestPause bounds the pause after a long recomputation, so that figures are
// never more than some seconds behind what could be recomputed.
const longestPause = 5 * time.Second

// pruneEvery is how often old marks are looked at.
const pruneEvery = time.Hour

// errUnknown says that a publication may or may not have been carried out.
var errUnknown = errors.New("it is not known whether the versions were published")

// leader is a Roller during one term.
type leader struct {
	*Roller
	term  *lease.Term
	since uint64 // marks before it are settled

	filled map[string]bool // kinds whose buckets all have narrow rows
}

func (r *Roller) leader(term *lease.Term) *leader {
	return &leader{Roller: r, term: term, filled: map[string]bool{}}
}

// lead recomputes marked buckets until the term ends. After a recomputation that
// took longer than the interval it pauses as long again: queries and inserts get
// their share of the machine, however much there is to do.
func (r *Roller) lead(ctx context.Context, term *lease.Term) {
	l := r.leader(term)
	ready, filled := false, false
	var pruned, later time.Time
	for {
		began := time.Now()
		n, err := 0, error(nil)
		if !ready {
			err = l.start(ctx)
			ready = err == nil
		}
		if ready {
			n, err = l.settle(ctx)
		}
		if err == nil && !filled && time.Now().After(later) {
			filled, err = l.fill(ctx)
			if err != nil && !errors.Is(err, lease.ErrLost) && !errors.Is(err, errUnknown) && ctx.Err() == nil {
				// What is marked does not wait for days that cannot be done.
				r.log.Warn("make narrow rollups", "error", err, "retry_in", time.Minute)
				later, err = time.Now().Add(time.Minute), nil
			}
		}
		if err == nil && time.Since(pruned) > pruneEvery {
			err = l.prune(ctx)
			pruned = time.Now()
		}
		pause := max(r.interval, min(longestPause, time.Since(began)))
		switch {
		case ctx.Err() != nil, errors.Is(err, lease.ErrLost):
			return
		case err != nil:
			r.failures++
			pause = min(time.Minute, r.interval<<min(r.failures, 5))
			r.metrics.failures.Inc()
			r.log.Warn("recompute rollups", "error", err, "retry_in", pause)
		default:
			r.failures = 0
			if n > 0 {
				r.log.Debug("recomputed rollups", "minutes", n, "took", time.Since(began))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		case <-r.wake:
		}
		if errors.Is(err, errUnknown) {
			// The versions may appear at any moment, and the slots that they lie in
			// would be this term's next ones. Another term has others.
			return
		}
	}
}

// Settle takes the lead, recomputes every bucket that is marked now or has no narrow
// rollups yet, gives the lead up, and returns how many marked minutes there were.
func (r *Roller) Settle(ctx context.Context) (int, error) {
	term, err := r.lease.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer term.Release()
	l := r.leader(term)
	if err := l.start(ctx); err != nil {
		return 0, err
	}
	for done := false; !done; {
		if done, err = l.fill(ctx); err != nil {
			return 0, err
		}
	}
	return l.settle(ctx)
}

func (l *leader) settle(ctx context.Context) (int, error) {
	now, err := serverTime(ctx, l.client)
	if err != nil {
		return 0, err
	}
	recorded := l.term.Stamp() // every mark stamped from now on is higher
	total := 0
	var errs []error
	for _, k := range kinds { // executions first: they mark steps
		marked, err := l.marked(ctx, k)
		if err != nil {
			return total, errors.Join(append(errs, err)...)
		}
		pending := l.metrics.pending.WithLabelValues(k.name)
		left := len(marked)
		pending.Set(float64(left))
		// The newest first: they are what people look at. One that fails, for want
		// of memory say, does not hold up the others.
		for _, c := range slices.Backward(chunks(marked, l.chunk)) {
			traced, recompute := span.Start(ctx, l.tracer, "recompute")
			recompute.Text("flowgauge.kind", k.name)
			recompute.Count("flowgauge.minutes", len(c.minutes))
			err := l.rewrite(traced, k, c)
			recompute.End(err)
			if err != nil {
				if ctx.Err() != nil {
					return total, ctx.Err()
				}
				errs = append(errs, fmt.Errorf("%s of %s: %w", k.name, c.String(), err))
				if errors.Is(err, lease.ErrLost) || errors.Is(err, errUnknown) {
					return total, errors.Join(errs...)
				}
				continue
			}
			total += len(c.minutes)
			left -= len(c.minutes)
			pending.Set(float64(left))
			l.metrics.minutes.WithLabelValues(k.name).Add(float64(len(c.minutes)))
		}
	}
	if len(errs) > 0 {
		return total, errors.Join(errs...)
	}
	if behind := uint64(slack.Microseconds()); recorded > behind {
		l.since = max(l.since, recorded-behind)
	}
	l.metrics.settled.Set(float64(now) / 1e6)
	return total, nil
}
