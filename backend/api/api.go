package api

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Root is where the endpoints are.
const Root = base + "/analytics"

//go:embed openapi.yaml
var openAPI []byte

// Analytics is what the endpoints need of query.Engine.
type Analytics interface {
	Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error)
	Values(ctx context.Context, p access.Principal, r query.ValuesRequest) ([]string, error)
	Catalogue() metric.Catalogue
	Kinds(ctx context.Context) []query.KindInfo
}

// Authenticator says who sends a request. It is called once for each.
type Authenticator interface {
	Authenticate(r *http.Request) (access.Principal, error)
}

// Config is what an API needs.
type Config struct {
	Analytics     Analytics
	Authenticator Authenticator

	// These are of the endpoints about taking events in; nil is not here.
	Conflicts Conflicts
	Letters   DeadLetters
	Replays   Replays
	Waiting   func() int64 // records of this process's log that are not stored yet

	// These keep dashboards and reports; nil is not here.
	Dashboards Documents
	Reports    Documents
	Budgets    Budgets // likewise
	// People says what users are called to a caller in documents and budgets; nil: by
	// their ids.
	People People

	Live Live // tells live counters; without a Hub it is not here

	// Denied reports whether an error of the Authenticator is the caller's: no
	// key, a wrong or expired one. Any other is the server's trouble, and the
	// caller shall come again. nil takes every error for the caller's.
	Denied     func(error) bool
	Registerer prometheus.Registerer // nil registers nothing
	Logger     *slog.Logger          // nil is silent
}

// Validate reports what is missing.
func (c Config) Validate() error {
	switch {
	case c.Analytics == nil:
		return errors.New("api: nothing that answers questions")
	case c.Authenticator == nil:
		return errors.New("api: no authenticator: without one everybody would see everything")
	}
	return nil
}

// API serves the endpoints.
type API struct {
	analytics Analytics
	auth      Authenticator
	denied    func(error) bool
	log       *slog.Logger
	metrics   *requestMetrics
	document  *description

	conflictList Conflicts
	letters      DeadLetters
	replays      Replays
	waiting      func() int64

	dashboardDocs, reportDocs Documents
	budgets                   Budgets
	people                    People

	live    Live
	streams *streams

	readings readings
}

// New returns an API.
func New(cfg Config) (*API, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Denied == nil {
		cfg.Denied = func(error) bool { return true }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newRequestMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("api: register metrics: %w", err)
	}
	cfg.Live.defaults()
	d, err := parse(openAPI)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	streams := newStreams(cfg.Live)
	if err := streams.register(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("api: register metrics: %w", err)
	}
	return &API{
		document: d, analytics: cfg.Analytics, auth: cfg.Authenticator, denied: cfg.Denied, log: cfg.Logger, metrics: m,
		conflictList: cfg.Conflicts, letters: cfg.Letters, replays: cfg.Replays, waiting: cfg.Waiting,
		live: cfg.Live, streams: streams,
		dashboardDocs: cfg.Dashboards, reportDocs: cfg.Reports, budgets: cfg.Budgets, people: cfg.People,
	}, nil
}

// Register adds the endpoints to a router. Only the description of the API can
// be read without a key.
func (a *API) Register(router gin.IRouter) { a.register(router, Root) }

// RegisterCollector adds the endpoints about taking events in to a router: what
// arrived and what became of it, and what was refused. They are for administrators.
func (a *API) RegisterCollector(router gin.IRouter) { a.register(router, CollectorRoot) }

// Handler serves the endpoints alone, with problem documents for all else.
func (a *API) Handler() http.Handler {
	router := gin.New()
	a.Register(router)
	a.RegisterCollector(router)
	a.RegisterOthers(router)
	return router
}

// RegisterOthers makes a router answer with problem documents what it has no route for,
// and find routes in which an id has a slash, as %2F.
func (a *API) RegisterOthers(router *gin.Engine) {
	router.UseRawPath = true
	router.HandleMethodNotAllowed = true
	router.NoRoute(func(c *gin.Context) { a.problem(c, notFound(c.Request.URL.Path)) })
	router.NoMethod(func(c *gin.Context) { a.problem(c, methodNotAllowed(c.Request.Method)) })
}
