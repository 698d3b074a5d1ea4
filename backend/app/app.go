// Package app puts Flowgauge's parts together and runs them. It can be embedded:
// New checks and prepares, Run serves until its context ends, and everything that
// New or Run started is gone when Run returns.
//
//	HTTP ──> receive ──> write-ahead log ──> sink ──> ClickHouse <── query <── HTTP
//	                                          └─> marks ──> roller ─┘
//
// One process may play every role (flowgauge up) or one of them (flowgauge
// collector, flowgauge server). The collector starts and accepts events while
// ClickHouse is away; what needs ClickHouse waits for it in the background.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/access/certs"
	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/access/signin"
	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/export"
	"github.com/flowgauge/flowgauge/backend/notify"
	"github.com/flowgauge/flowgauge/backend/panel/hosted"
	"github.com/flowgauge/flowgauge/backend/pricing"
	"github.com/flowgauge/flowgauge/backend/query/cache"
	"github.com/flowgauge/flowgauge/backend/telemetry"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// Roles says which parts a process plays.
type Roles struct {
	Collector bool // takes events in
	Server    bool // answers questions
}

// Options are what an embedding program or a command decides.
type Options struct {
	Config config.Config
	Roles  Roles
	Logger *slog.Logger
	// AdminKey makes the administrator's key in the data folder when there is none.
	AdminKey bool
	// Enrichers are compiled into an embedding program; events pass them before plugins.
	Enrichers []enrich.Enricher
	// Progress is told what a slow start is doing.
	Progress func(message string)
}

// App is one process of Flowgauge.
type App struct {
	opts     Options
	cfg      config.Config
	log      *slog.Logger
	registry *prometheus.Registry

	listener net.Listener
	inner    *pipes // for this process's own requests
	// certificate is the listener's, nil for plain HTTP.
	certificate *certs.Reloader
	telemetry   *telemetry.Telemetry
	private     *telemetry.Private // profiles and metrics; may be nil
	database    *database
	keys        *keystore.Store
	limits      *limits
	cache       *cache.Cache
	rest        *api.API
	prices      *pricing.Store
	people      *directory.Store
	policies    *policy.Store
	audit       *audit.Log
	auth        *signin.Authenticator
	host        *host.Host // of plugins
	panels      *hosted.Panels
	intake      *intake
	holder      *holder         // of this process's name; nil where the intake has it
	watcher     *notify.Watcher // tells people about budgets; nil where nobody is told
	exports     *export.Sender  // takes answers out; nil where there are no exports
	stored      atomic.Bool     // the schema is there and keys are loaded
	waiting     atomic.Pointer[string]
}

// New checks the configuration, takes the address and opens the log. Nothing of
// it remains when it returns an error.
func New(opts Options) (_ *App, err error) {
	if err := opts.Config.Validate(); err != nil {
		return nil, err
	}
	if !opts.Roles.Collector && !opts.Roles.Server {
		return nil, errors.New("app: no role: set Collector, Server or both")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	a := &App{opts: opts, cfg: opts.Config, log: opts.Logger, registry: prometheus.NewRegistry()}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err := a.listen(); err != nil {
		return nil, err
	}
	if err := a.observe(); err != nil {
		return nil, err
	}
	if a.host, err = a.newHost(); err != nil {
		return nil, err
	}
	a.panels = hosted.New(a.host, a.log)
	a.database, err = newDatabase(a.cfg, a.log)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Addr is where HTTP is served, the port chosen when the configuration's was 0.
func (a *App) Addr() string { return a.listener.Addr().String() }

// ErrStarting is what Ready returns until the database was asked for the first time.
var ErrStarting = errors.New("starting")

// Ready reports whether everything works that the process is there for; its
// error says what does not.
func (a *App) Ready() error {
	if !a.stored.Load() {
		if why := a.waiting.Load(); why != nil {
			return fmt.Errorf("waiting for the database: %s", *why)
		}
		return ErrStarting
	}
	if a.intake != nil {
		return a.intake.err()
	}
	return nil
}

// Run serves until ctx ends, then stops in an orderly way. It returns an error
// when a part failed in a way that only a new start can mend.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	if err := a.database.start(ctx, a.opts.Progress); err != nil {
		return err
	}
	a.keys = keystore.New(a.database.writer, a.log)
	a.prices = pricing.NewStore(a.database.writer, a.log)
	a.people = directory.NewStore(a.database.writer, 0)
	a.policies = policy.NewStore(a.database.reader)
	records, err := audit.New(audit.Config{Client: a.database.reader, Required: a.cfg.Audit.Required, Logger: a.log, Registerer: a.registry})
	if err != nil {
		return err
	}
	a.audit = records
	tokens, err := newTokens(a.cfg)
	if err != nil {
		return err
	}
	a.auth = &signin.Authenticator{Keys: a.keys, Tokens: tokens, Directory: a.people}
	if a.opts.Roles.Collector {
		if err := a.keys.UseCache(filepath.Join(a.cfg.DataDir, "keys.json")); err != nil {
			return err
		}
	}
	limits, err := newLimits(a, a.keys)
	if err != nil {
		return err
	}
	a.limits = limits
	if a.opts.Roles.Collector {
		intake, err := newIntake(a)
		if err != nil {
			return err
		}
		a.intake = intake
	}
	handler, err := a.handler()
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.serve(gctx, handler) })
	if a.private != nil {
		group.Go(func() error { return a.private.Run(gctx) })
	}
	group.Go(func() error { a.host.Run(gctx); return nil })
	group.Go(func() error { return a.database.watch(gctx) })
	group.Go(func() error { return a.work(gctx) })
	if a.intake != nil {
		group.Go(func() error { return a.intake.watch(gctx) })
		group.Go(func() error { a.intake.count(gctx); return nil })
		group.Go(func() error { a.intake.pull(gctx); return nil })
	}
	return group.Wait()
}

// work waits for the database, prepares it, and runs what needs it.
func (a *App) work(ctx context.Context) error {
	if err := a.prepare(ctx); err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { a.keys.Run(gctx); return nil })
	group.Go(func() error { a.audit.Run(gctx); return nil })
	group.Go(func() error { a.prices.Run(gctx); return nil })
	if a.intake != nil {
		group.Go(func() error { return a.intake.run(gctx) })
	}
	if a.watcher != nil {
		group.Go(func() error { return a.watcher.Run(gctx) })
	}
	if a.exports != nil {
		group.Go(func() error { return a.exports.Run(gctx) })
	}
	return group.Wait()
}

func (a *App) close() {
	if a.intake != nil {
		a.intake.close()
	}
	if a.holder != nil {
		a.holder.close()
	}
	if a.cache != nil {
		a.cache.Close()
	}
	if a.limits != nil {
		a.limits.close()
	}
	if a.database != nil {
		a.database.stop()
	}
	if a.listener != nil {
		_ = a.listener.Close()
	}
	a.unobserve()
}
