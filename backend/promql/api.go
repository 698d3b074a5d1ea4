package promql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Root is where the HTTP interface is: a Prometheus server's address for clients.
const Root = "/prometheus"

// Limits keep one query from taking the server. Zero values are defaults.
type Limits struct {
	Samples int           // samples in memory at once, as Prometheus counts them; 50,000,000
	Points  int           // points of a series; 11,000, as in Prometheus
	Series  int           // series of a selector that are not summed up in the database; 100,000
	Timeout time.Duration // of a query; 30 s
	Queries int           // that run at once, others wait; 8
	Length  int           // bytes of a query; 65,536
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.Samples, 50_000_000)
	set(&l.Points, 11_000)
	set(&l.Series, 100_000)
	set(&l.Queries, 8)
	set(&l.Length, 65_536)
	if l.Timeout == 0 {
		l.Timeout = 30 * time.Second
	}
	return l
}

// lookback is how long the last sample of a series is seen, as in Prometheus.
const lookback = 5 * time.Minute

// Authenticator says who sends a request.
type Authenticator interface {
	Authenticate(r *http.Request) (access.Principal, error)
}

// Config is what an API needs.
type Config struct {
	Store         Store
	Recorder      Recorder // of each request, in the place of each selector's reading; nil leaves that to the Store
	Authenticator Authenticator
	// Denied reports whether an error of the Authenticator is the caller's; nil
	// takes every error for the caller's.
	Denied     func(error) bool
	Limits     Limits
	Version    string                // of the product, in status/buildinfo
	Now        func() time.Time      // nil is time.Now
	Registerer prometheus.Registerer // nil registers nothing
	Logger     *slog.Logger          // nil is silent
}

// Validate reports what is missing.
func (c Config) Validate() error {
	switch {
	case c.Store == nil:
		return errors.New("promql: nothing that has samples")
	case c.Authenticator == nil:
		return errors.New("promql: no authenticator: without one everybody would see everything")
	case c.Limits.Samples < 0 || c.Limits.Points < 0 || c.Limits.Series < 0 || c.Limits.Timeout < 0 || c.Limits.Queries < 0 || c.Limits.Length < 0:
		return errors.New("promql: a limit is negative; 0 is its default")
	}
	return nil
}

// API answers as the HTTP interface of a Prometheus server does.
type API struct {
	store   Store
	records Recorder
	auth    Authenticator
	denied  func(error) bool
	limits  Limits
	version string
	now     func() time.Time
	log     *slog.Logger

	engine *promql.Engine
	parser parser.Parser
	slots  chan struct{}
}

// New returns an API.
func New(cfg Config) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Denied == nil {
		cfg.Denied = func(error) bool { return true }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := cfg.Limits.withDefaults()
	p := parser.NewParser(parser.Options{})
	a := &API{
		store: cfg.Store, records: cfg.Recorder, auth: cfg.Authenticator, denied: cfg.Denied, limits: l, version: cfg.Version, now: cfg.Now, log: cfg.Logger,
		parser: p, engine: newEngine(l, p, cfg.Registerer), slots: make(chan struct{}, l.Queries),
	}
	return a, nil
}

// newEngine sets what Prometheus sets. Zero is no limit nowhere in these options: it
// would fail every query.
func newEngine(l Limits, p parser.Parser, r prometheus.Registerer) *promql.Engine {
	if r != nil {
		r = prometheus.WrapRegistererWithPrefix("flowgauge_promql_", r)
	}
	return promql.NewEngine(promql.EngineOpts{
		Reg: r, MaxSamples: l.Samples, Timeout: l.Timeout, LookbackDelta: lookback, Parser: p,
		EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
}

// queryable returns what one request may see. e is the query; nil for one that has none.
func (a *API) queryable(who access.Principal, e parser.Expr, lookback time.Duration) storage.Queryable {
	q := &queryable{store: a.store, who: who, lookback: lookback, maxSeries: a.limits.Series, most: a.limits.Samples}
	if e != nil {
		q.exact, q.sums = !hasSubquery(e), sumsOfRates(e)
	}
	return q
}

// Register adds the endpoints to a router.
func (a *API) Register(router gin.IRouter) {
	g := router.Group(Root+"/api/v1", a.authenticate)
	both := func(path string, h gin.HandlerFunc) {
		g.GET(path, h)
		g.POST(path, h)
	}
	both("/query", a.query)
	both("/query_range", a.queryRange)
	both("/series", a.series)
	both("/labels", a.labelNames)
	g.GET("/label/:name/values", a.labelValues)
	both("/format_query", a.formatQuery)
	both("/query_exemplars", a.exemplars)
	g.GET("/metadata", a.metadata)
	g.GET("/rules", a.rules)
	g.GET("/alerts", a.alerts)
	g.GET("/status/buildinfo", a.buildInfo)
}

// Handler serves the endpoints alone.
func (a *API) Handler() http.Handler {
	router := gin.New()
	a.Register(router)
	return router
}

var errBusy = errors.New("too many queries run at once: try again later")

// enter waits for a slot.
func (a *API) enter(ctx context.Context) error {
	timer := time.NewTimer(a.limits.Timeout)
	defer timer.Stop()
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		// A caller's own deadline passes while the query waits: nobody has gone away.
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return promql.ErrQueryCanceled("query queue")
		}
	case <-timer.C:
	}
	return fmt.Errorf("%w: %w", errBusy, promql.ErrQueryTimeout("query queue"))
}

func (a *API) leave() { <-a.slots }
