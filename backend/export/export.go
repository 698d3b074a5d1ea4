// Package export takes answers of questions out of Flowgauge on a schedule, and gives them to
// plugins.
//
//	period that is over ──> question ──> answer ──> parts ──> plugin
//	        ^                                                   │ has all of them
//	        └──────────────── table exports <───────────────────┘
//
// What was delivered is asked about again when the configuration says so, and delivered again
// with the same ids if late events, corrections or prices have changed the answer.
//
// Each export has periods, which are asked about one after the other, some time after their
// end. What was delivered is recorded; what was not is asked again, as a whole, so the parts
// of a delivery are always of one answer. So a plugin that was down for a day gets the day's
// periods in their order, and a process that starts again goes on where the last one was. Only
// where it is killed between a delivery and its record, or a stopped process wakes up while
// another leads, a period is delivered twice, with the same ids.
package export

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/lease"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/telemetry/trouble"
	"github.com/flowgauge/flowgauge/plugins/contract"
)

// Lease is the name of the lease of the process that exports.
const Lease = "export"

// Surface names these readings in the audit log.
const Surface = "export"

const (
	// interval is the pause between two looks at the clock.
	interval = 10 * time.Second
	// questionsAtOnce are asked: at the full hour many exports have one.
	questionsAtOnce = 2
)

// Target is where answers are brought.
type Target interface {
	contract.Exporter
	ID() string
	Err() error // why it cannot be asked now; nil: it can
}

// Export is a question that is asked about each period, for a plugin.
type Export struct {
	Name    string // tells it from all others
	Tenant  string
	Every   time.Duration // the length of a period; periods are aligned in UTC
	Delay   time.Duration // how long after a period's end it is asked about
	Since   time.Time     // a moment of the first period; zero is when the export is first seen
	Request query.Request // without a period
	To      Target
	// Again are the ages of a period, from its end on and in order, at which it is asked about
	// once more; it is delivered once more if its answer has changed.
	Again []time.Duration

	question string // a digest of Request
}

// principal is whom the question is asked as: what a policy keeps from administrators, leaves
// by no export either.
func (x *Export) principal() access.Principal {
	return access.Principal{Tenant: x.Tenant, Role: access.RoleAdmin, KeyID: Surface}
}

// check reports a question that nobody could answer. Of a plugin's kind only the plugin can
// tell.
func (x *Export) check(engine *query.Engine) error {
	r := x.Request
	if r.Kind.Plugin() != "" {
		return nil
	}
	r.From = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r.To = r.From.Add(x.Every)
	_, err := engine.Asked(x.principal(), r)
	return err
}

// Config is what a Sender needs.
type Config struct {
	Client     *clickhouse.Client // that may write
	Holder     string             // names this process among those that may do it
	Exports    []Export
	Engine     *query.Engine
	Interval   time.Duration    // between two looks at the clock; 10 s if 0
	Now        func() time.Time // nil is time.Now
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Sender exports while it leads.
type Sender struct {
	cfg     Config
	store   store
	lease   *lease.Lease
	log     *slog.Logger
	metrics *metrics
	trouble *trouble.Log
	asking  chan struct{} // has a place for each question that may be asked now
}

// New returns a Sender; it does nothing until Run.
func New(cfg Config) (*Sender, error) {
	switch {
	case cfg.Client == nil || cfg.Engine == nil:
		return nil, errors.New("export: it needs a client and an engine")
	case len(cfg.Exports) == 0:
		return nil, errors.New("export: no exports")
	}
	var errs []error
	cfg.Exports = slices.Clone(cfg.Exports)
	for i := range cfg.Exports {
		x := &cfg.Exports[i]
		if err := x.check(cfg.Engine); err != nil {
			errs = append(errs, fmt.Errorf("exports, %s: request: %w", x.Name, err))
		}
		text, err := json.Marshal(x.Request)
		if err != nil {
			errs = append(errs, fmt.Errorf("exports, %s: request: %w", x.Name, err))
		}
		x.question = fmt.Sprintf("%x", sha256.Sum256(text))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Interval == 0 {
		cfg.Interval = interval
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(cfg.Exports, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("export: register metrics: %w", err)
	}
	s := &Sender{
		cfg: cfg, store: store{cfg.Client}, log: cfg.Logger, metrics: m, trouble: trouble.New(cfg.Logger), asking: make(chan struct{}, questionsAtOnce),
	}
	if s.lease, err = lease.New(lease.Config{Client: cfg.Client, Name: Lease, Holder: cfg.Holder, Logger: cfg.Logger}); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return s, nil
}

// Run exports until ctx ends, whenever this process leads.
func (s *Sender) Run(ctx context.Context) error { return s.lease.Run(ctx, s.lead) }

func (s *Sender) lead(ctx context.Context, _ *lease.Term) error {
	// How far exports have come, says the one who leads.
	defer s.metrics.until.Reset()
	var workers sync.WaitGroup
	for i := range s.cfg.Exports {
		workers.Go(func() { (&worker{Sender: s, of: &s.cfg.Exports[i]}).run(ctx) })
	}
	workers.Wait()
	return nil
}
