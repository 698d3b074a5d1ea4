// Package rollup keeps the rollups equal to the raw events. It recomputes the
// buckets that changed from deduplicated raw rows; it never adds to a rollup.
// Duplicates, late events, corrections, deletions and backfill therefore all end
// in the right figures, and recomputing anything again changes nothing.
//
//	sink:   mark minutes -> insert rows -> mark them again -> commit the log
//	roller: read marks -> allocate a version -> read raw, write rows -> publish the version
//
// # Marks and versions
//
// A bucket is settled when its version is higher than its last mark. The second
// mark is stamped after the insert was acknowledged. If the roller allocated its
// version before that, the mark is higher and the bucket is recomputed; if it did
// so after it, its read of raw saw the rows. Either way nothing is missed, and a
// sink that dies between the two steps repeats both from the log.
//
// Both come from one register, that of the roller's lease: a mark is stamped
// higher than every version allocated before, and a version is allocated higher
// than the marks that it is to settle. They look like microseconds of the server's
// clock, and are, as long as that goes forward; when it is set back they go on
// rising. The collectors' own clocks do not matter.
//
// # One roller at a time
//
// Any number of processes may run a Roller on a database; one leads, the others
// stand by (see package lease). A day is put together from the current quarters,
// so two rollers at the same time could each miss what the other publishes. That
// cannot last, even if one that was stopped wakes up after another took over:
//
//   - Versions are in the order of terms: one that an earlier leader allocated is
//     lower than all of a later leader's.
//   - Slots are a term's own. What one roller writes never replaces a row that
//     another published.
//   - A new leader first marks again what is pending. These marks are higher than
//     every version that an earlier leader still might publish, so such a version
//     cannot settle a bucket that the new leader has not recomputed. What was not
//     pending has the same content in either's version.
package rollup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/lease"
	"github.com/flowgauge/flowgauge/backend/telemetry/span"
)

// Lease is the name of the lease that a leading Roller holds.
const Lease = "rollup"

// Config says what a Roller works on.
type Config struct {
	Client     *clickhouse.Client
	Holder     string        // names this process in the lease, also after a restart; random if empty
	TTL        time.Duration // after so much silence of the leader another takes over; lease.DefaultTTL if 0
	Interval   time.Duration // pause between two looks at the marks; 0 is two seconds
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Tracer     span.Tracer // none if nil
}

// Roller recomputes marked buckets while it leads.
type Roller struct {
	client   *clickhouse.Client
	lease    *lease.Lease
	interval time.Duration
	log      *slog.Logger
	metrics  metrics
	tracer   span.Tracer
	chunk    int           // most minutes of one recomputation
	delay    time.Duration // publishDelay, but in tests
	wake     chan struct{}
	failures int         // in a row
	stage    func(stage) // for faults in tests
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
	if cfg.Holder == "" {
		cfg.Holder = rand.Text()
	}
	candidate, err := lease.New(lease.Config{Client: cfg.Client, Name: Lease, Holder: cfg.Holder, TTL: cfg.TTL, Logger: cfg.Logger})
	if err != nil {
		return nil, fmt.Errorf("rollup: %w", err)
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("rollup: %w", err)
	}
	return &Roller{client: cfg.Client, lease: candidate, stage: func(stage) {}, interval: cfg.Interval, log: cfg.Logger, metrics: m, tracer: cfg.Tracer, chunk: 5000, delay: publishDelay, wake: make(chan struct{}, 1)}, nil
}

// Wake makes Run look at the marks at once.
func (r *Roller) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run recomputes marked buckets whenever this process leads, until ctx ends.
func (r *Roller) Run(ctx context.Context) error {
	return r.lease.Run(ctx, func(ctx context.Context, term *lease.Term) error {
		r.lead(ctx, term)
		return nil
	})
}
