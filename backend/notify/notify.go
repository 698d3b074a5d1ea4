// Package notify tells people what happens to budgets: that a period's spending has reached
// a threshold or the amount, and that it is expected to reach the amount.
//
//	look ──(each minute)──> how budgets stand ──> messages ──> table notifications
//	                                                                  │ those that wait
//	deliver (one for each notifier) <─────────────────────────────────┘
//
// Nothing is derived from events as they come: a message is about how a budget stands, as
// anybody sees it who asks, so late and corrected costs are told of when they are known.
// What is found is stored before it is sent, a row for each notifier, and the row says when
// it was delivered. So nothing is forgotten or sent anew by a process that starts again.
// Only where it is killed between a delivery and its record, or a stopped process
// wakes up while another leads, a message goes out twice, with the same id.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/lease"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/telemetry/trouble"
	"github.com/flowgauge/flowgauge/plugins/contract"
)

// Lease is the name of the lease of the process that tells.
const Lease = "notify"

const (
	// interval is the pause between two looks at budgets.
	interval = time.Minute
	// tenantsAtOnce are looked at.
	tenantsAtOnce = 4
)

// A Notifier brings messages to people, by a name that budgets have.
type Notifier struct {
	Name    string
	Tenants []string // whose budgets may name it; nil is everybody's
	Of      contract.Notifier
}

// Notifiers are all there are.
type Notifiers []Notifier

// For lists the names of those that a tenant's budgets may name.
func (all Notifiers) For(tenant string) []string {
	var names []string
	for _, n := range all {
		if len(n.Tenants) == 0 || slices.Contains(n.Tenants, tenant) {
			names = append(names, n.Name)
		}
	}
	return names
}

// Config is what a Watcher needs.
type Config struct {
	Client     *clickhouse.Client // that may write
	Holder     string             // names this process among those that may do it
	Notifiers  Notifiers
	Budgets    *budget.Service
	Engine     *query.Engine
	Interval   time.Duration    // between two looks at budgets; a minute if 0
	Now        func() time.Time // nil is time.Now
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Watcher tells while it leads.
type Watcher struct {
	cfg     Config
	store   store
	lease   *lease.Lease
	log     *slog.Logger
	metrics *metrics
	trouble *trouble.Log
}

// New returns a Watcher; it does nothing until Run.
func New(cfg Config) (*Watcher, error) {
	switch {
	case cfg.Client == nil || cfg.Budgets == nil || cfg.Engine == nil:
		return nil, errors.New("notify: it needs a client, budgets and an engine")
	case len(cfg.Notifiers) == 0:
		return nil, errors.New("notify: no notifiers")
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
	m, err := newMetrics(cfg.Notifiers, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("notify: register metrics: %w", err)
	}
	w := &Watcher{cfg: cfg, store: store{cfg.Client}, log: cfg.Logger, metrics: m, trouble: trouble.New(cfg.Logger)}
	if w.lease, err = lease.New(lease.Config{Client: cfg.Client, Name: Lease, Holder: cfg.Holder, Logger: cfg.Logger}); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	return w, nil
}

// Run tells until ctx ends, whenever this process leads.
func (w *Watcher) Run(ctx context.Context) error { return w.lease.Run(ctx, w.lead) }

func (w *Watcher) lead(ctx context.Context, _ *lease.Term) error {
	var deliverers sync.WaitGroup
	defer deliverers.Wait()
	wakes := make([]chan struct{}, len(w.cfg.Notifiers))
	for i, n := range w.cfg.Notifiers {
		wakes[i] = make(chan struct{}, 1)
		deliverers.Go(func() { newDeliverer(w, n).run(ctx, wakes[i]) })
	}
	for ctx.Err() == nil {
		w.look(ctx)
		for _, wake := range wakes {
			select {
			case wake <- struct{}{}:
			default: // it has not come to the last one yet
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.cfg.Interval):
		}
	}
	return nil
}

// look finds out what is to be told. What fails is looked at again the next time.
func (w *Watcher) look(ctx context.Context) {
	tenants, err := w.cfg.Budgets.Notifying(ctx)
	if w.trouble.Note(ctx, "tenants", "look which budgets are to be told about", err); err != nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(tenantsAtOnce)
	for _, tenant := range tenants {
		group.Go(func() error {
			err := w.tenant(ctx, tenant)
			w.trouble.Note(ctx, "tenant "+tenant, "look at a tenant's budgets", err, "tenant", tenant)
			return nil
		})
	}
	_ = group.Wait() // the functions return no error
}
