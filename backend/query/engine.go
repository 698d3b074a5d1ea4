package query

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// Limits keep one request from taking the server. Zero values are defaults.
type Limits struct {
	Rows    int           // rows of an answer: points × groups; 200,000
	Period  time.Duration // longest period; 10 years
	RawUser time.Duration // longest period of a question by user below a quarter of an hour, which reads raw rows; 24 h
	// RawMetadata is the longest period of a question by metadata or by execution,
	// which reads raw rows too; 93 days.
	RawMetadata time.Duration
	// RawReceived is the longest period of a question about what stands of what was
	// received, or about conflicts, which reads raw rows as well; 31 days.
	RawReceived time.Duration
	// Unsettled is how many minutes that are stored but not rolled up yet are
	// read from raw rows instead; with more, the rollups' older figures are
	// given and Meta says so. 30; negative is none.
	Unsettled int
	Timeout   time.Duration // of a whole request; 30 s
}

// DefaultRawReceived is the longest period of what is read from all that was received.
const DefaultRawReceived = 31 * 24 * time.Hour

// Config is what an Engine needs.
type Config struct {
	Client *clickhouse.Client
	Now    func() time.Time // nil is time.Now
	Limits Limits
	Logger *slog.Logger // nil is silent
	// Budgets evaluates budgets; nil refuses questions about them.
	Budgets Budgets
	// PendingTTL is how long the list of minutes that wait for their rollup is
	// kept; it is read once for all requests of a tenant. 1 s; negative reads
	// it anew each time.
	PendingTTL time.Duration
	// Teams says who is in which team; nil: nobody is in any.
	Teams Teams
	// Policies says what is kept from whom within their scope; nil: nothing.
	Policies Policies
	// Auditor is told of each reading of data; nil: nobody is.
	Auditor Auditor
	// Extra answers kinds of question beside Flowgauge's own; nil: there are none.
	Extra Extra
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Client == nil {
		return errors.New("query: no ClickHouse client")
	}
	if c.Limits.Rows < 0 || c.Limits.Period < 0 || c.Limits.RawUser < 0 || c.Limits.RawMetadata < 0 || c.Limits.RawReceived < 0 || c.Limits.Timeout < 0 {
		return errors.New("query: a limit is negative; 0 is its default")
	}
	return nil
}

// Engine answers requests. It is safe for concurrent use and keeps no state but
// the connection pool's.
type Engine struct {
	client  *clickhouse.Client
	now     func() time.Time
	limits  Limits
	log     *slog.Logger
	pending *pendingReader
	epochs  *epochReader
	narrow  *narrowReader
	kept    *keptTotals
	budgets Budgets
	// ask answers a question within another, which is checked, counted and timed as one.
	ask   Ask
	teams Teams
	extra Extra // may be nil

	policies   Policies
	auditor    Auditor
	pseudonyms *pseudonyms
	asOf       int64 // microseconds of the moment that the data is read as of; 0 is now. See at.
}

// New returns an engine; it does not connect.
func New(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		client: cfg.Client,
		now:    cfg.Now,
		limits: cfg.Limits.withDefaults(),
		log:    cfg.Logger,
		teams:  cfg.Teams,
		extra:  cfg.Extra,

		policies: cfg.Policies,
		auditor:  cfg.Auditor,

		pseudonyms: &pseudonyms{},
		kept:       &keptTotals{byKey: map[string]*totalsUpTo{}},
	}
	e.budgets = cfg.Budgets
	e.ask = e.within
	e.pending = newPendingReader(cfg.Client, cfg.PendingTTL, e.settings)
	e.narrow = &narrowReader{client: cfg.Client, ttl: e.pending.ttl, settings: e.settings}
	e.epochs = &epochReader{client: cfg.Client, ttl: e.pending.ttl, settings: e.settings, tenants: map[string]epoch{}}
	return e, nil
}

func (l Limits) withDefaults() Limits {
	if l.Rows == 0 {
		l.Rows = 200_000
	}
	if l.Period == 0 {
		l.Period = 3653 * 24 * time.Hour
	}
	if l.RawUser == 0 {
		l.RawUser = 24 * time.Hour
	}
	if l.RawMetadata == 0 {
		l.RawMetadata = 93 * 24 * time.Hour
	}
	if l.RawReceived == 0 {
		l.RawReceived = DefaultRawReceived
	}
	if l.Unsettled == 0 {
		l.Unsettled = 30
	}
	if l.Timeout == 0 {
		l.Timeout = 30 * time.Second
	}
	return l
}

// Catalogue returns every metric and dimension that can be asked for.
func (e *Engine) Catalogue() metric.Catalogue { return metric.All() }

// Do answers a request within what the principal may see. Errors are
// *RequestError, *AccessError, *NotFoundError, *PluginError, *clickhouse.Error or the
// context's.
func (e *Engine) Do(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	res, err := e.guarded(ctx, p, r)
	if ctx.Value(recordedKey{}) != nil {
		return res, err
	}
	if err := e.audit(ctx, p, recordOf(&r), res, err); err != nil {
		return nil, err
	}
	return res, err
}

// guarded answers a request with what the caller's policy keeps back left out.
func (e *Engine) guarded(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	began := time.Now()
	s, err := e.shapeOf(ctx, &r)
	if err != nil {
		return nil, err
	}
	if s.From != "" {
		return e.others(ctx, p, r, s)
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	g, err := e.guard(ctx, p)
	if err != nil {
		return nil, err
	}
	g.past = !r.AsOf.IsZero() || s.Kind == KindRestatements
	if err := g.checkKind(s); err != nil {
		return nil, err
	}
	if r.Filters, err = g.admit(ctx, r.From.UnixMilli(), r.To.UnixMilli(), s.divided(&r), s.filtered(&r)); err != nil {
		return nil, err
	}
	if r.Params, err = g.admitTexts(ctx, s, &r); err != nil {
		return nil, err
	}
	r.teams = shownTeams(r.Filters)
	if r.Filters, err = e.byMembers(ctx, p.Tenant, r.Filters); err != nil {
		return nil, err
	}
	at, err := e.at(ctx, r.AsOf)
	if err != nil {
		return nil, err
	}
	res, err := s.answer(at, g.context(ctx), p, r)
	if err != nil {
		return nil, err
	}
	at.describe(r.AsOf, e.now(), &res.Meta)
	if err := g.apply(ctx, s, &r, res); err != nil {
		return nil, err
	}
	res.Meta.Elapsed = time.Since(began)
	e.log.Debug("answered", "kind", s.Kind, "metrics", r.Metrics, "rows", res.Frame.Rows(), "rows_read", res.Meta.RowsRead, "elapsed", res.Meta.Elapsed)
	return res, nil
}

func (e *Engine) within(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	s, err := shapeOf(&r)
	if err != nil {
		return nil, err
	}
	r.Filters = s.filtered(&r)
	r.teams = shownTeams(r.Filters)
	if r.Filters, err = e.byMembers(ctx, p.Tenant, r.Filters); err != nil {
		return nil, err
	}
	return s.answer(e, ctx, p, r)
}

// figures answers a question about metrics of the catalogue.
func (e *Engine) figures(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	q, err := e.check(p, r)
	if err != nil {
		return nil, err
	}
	if err := q.restrict(minimumOf(ctx)); err != nil {
		return nil, err
	}
	if err := e.readTeams(ctx, q, r.teams); err != nil {
		return nil, err
	}
	w, err := e.begin(ctx, q)
	if err != nil {
		return nil, err
	}
	now, truncated, err := w.answer(ctx, q)
	if err != nil {
		return nil, err
	}
	now, w.withheld = now.largeEnough()
	order := now.ranked()
	var previous *answer
	if r.Compare != NoCompare {
		before := q.shifted(r.Compare)
		if len(q.dims) > 0 && (q.limit > 0 || truncated) {
			before.groups = now.groups(order)
		}
		if previous, err = w.before(ctx, before); err != nil {
			return nil, err
		}
		previous, _ = previous.largeEnough()
	}
	res, err := q.result(now, order, previous, e.limits.Rows)
	if err != nil {
		return nil, err
	}
	res.Meta = w.meta(q, truncated)
	return res, nil
}

// begin reads what waits for its rollup and which rollups there are, since the plans
// depend on it.
func (e *Engine) begin(ctx context.Context, q *question) (*run, error) {
	w := &run{e: e, levels: map[string]bool{}}
	if q.scope.asOf != 0 {
		return w, nil // No rollup is read.
	}
	changes := changesOf(ctx)
	if changes == nil {
		var err error
		if changes, err = e.pending.read(ctx, q.scope.tenant); err != nil {
			return nil, err
		}
	}
	w.pending = changes.pending
	var err error
	q.narrowSince, err = e.narrow.read(ctx)
	return w, err
}
