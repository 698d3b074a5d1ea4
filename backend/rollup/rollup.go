// Package rollup keeps the rollups equal to the raw events. It recomputes the
// buckets that changed from deduplicated raw rows; it never adds to a rollup.
// Duplicates, late events, corrections, deletions and backfill therefore all end
// in the right figures, and recomputing anything again changes nothing.
//
//	sink:   mark minutes -> insert rows -> mark them again -> commit the log
//	roller: read marks -> allocate a version -> read raw, write rows -> publish the version
//
// A bucket is settled when its version is higher than its last mark. The second
// mark is written after the insert was acknowledged. If the roller allocated its
// version before that mark, the bucket is not settled and is recomputed; if it
// did so after it, its read of raw saw the rows. Either way nothing is missed,
// and a sink that dies between the two steps repeats both from the log.
//
// Marks and versions come from the clock of the server that stores them, so the
// collectors' own clocks do not matter.
package rollup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Config says what a Roller works on.
type Config struct {
	Client     *clickhouse.Client
	Interval   time.Duration // pause between two looks at the marks; 0 is two seconds
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Roller recomputes marked buckets. Only one may run on a database at a time.
type Roller struct {
	client   *clickhouse.Client
	interval time.Duration
	log      *slog.Logger
	metrics  metrics
	chunk    int    // most minutes of one recomputation
	since    uint64 // marks before it are settled
	wake     chan struct{}
}

// slack is how far behind the newest settled mark the next look begins: a mark
// gets its time while its insert runs and is seen when the insert has ended.
const slack = 10 * time.Minute

// publishDelay lies between writing a bucket's rows and making their version
// current. A query takes its view of the two tables within milliseconds of each
// other; the delay keeps it from seeing the version without the rows.
const publishDelay = 250 * time.Millisecond

// New returns a Roller.
func New(cfg Config) (*Roller, error) {
	if cfg.Client == nil {
		return nil, errors.New("rollup: no ClickHouse client")
	}
	if cfg.Interval == 0 {
		cfg.Interval = 2 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("rollup: %w", err)
	}
	return &Roller{client: cfg.Client, interval: cfg.Interval, log: cfg.Logger, metrics: m, chunk: 5000, wake: make(chan struct{}, 1)}, nil
}

// Wake makes Run look at the marks at once.
func (r *Roller) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// longestPause bounds the pause after a long recomputation, so that figures are
// never more than some seconds behind what could be recomputed.
const longestPause = 5 * time.Second

// Run recomputes marked buckets until ctx ends. After a recomputation that took
// longer than the interval it pauses as long again: queries and inserts get their
// share of the machine, however much there is to do.
func (r *Roller) Run(ctx context.Context) error {
	failures := 0
	for {
		began := time.Now()
		n, err := r.Settle(ctx)
		pause := max(r.interval, min(longestPause, time.Since(began)))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			pause = min(time.Minute, r.interval<<min(failures, 5))
			r.metrics.failures.Inc()
			r.log.Warn("recompute rollups", "error", err, "retry_in", pause)
		default:
			failures = 0
			if n > 0 {
				r.log.Debug("recomputed rollups", "minutes", n, "took", time.Since(began))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		case <-r.wake:
		}
	}
}

// Settle recomputes every bucket that is marked now and returns how many
// minutes there were.
func (r *Roller) Settle(ctx context.Context) (int, error) {
	now, err := serverTime(ctx, r.client)
	if err != nil {
		return 0, err
	}
	total := 0
	var errs []error
	for _, k := range kinds { // executions first: they mark steps
		marked, err := r.marked(ctx, k)
		if err != nil {
			return total, errors.Join(append(errs, err)...)
		}
		pending := r.metrics.pending.WithLabelValues(k.name)
		left := len(marked)
		pending.Set(float64(left))
		// The newest first: they are what people look at. One that fails, for want
		// of memory say, does not hold up the others.
		for _, c := range slices.Backward(chunks(marked, r.chunk)) {
			if err := r.rewrite(ctx, k, c); err != nil {
				if ctx.Err() != nil {
					return total, ctx.Err()
				}
				errs = append(errs, fmt.Errorf("%s of %s: %w", k.name, c.String(), err))
				continue
			}
			total += len(c.minutes)
			left -= len(c.minutes)
			pending.Set(float64(left))
			r.metrics.minutes.WithLabelValues(k.name).Add(float64(len(c.minutes)))
		}
	}
	if len(errs) > 0 {
		return total, errors.Join(errs...)
	}
	if behind := now - uint64(slack.Microseconds()); behind > r.since {
		r.since = behind
	}
	r.metrics.settled.Set(float64(now) / 1e6)
	return total, nil
}
