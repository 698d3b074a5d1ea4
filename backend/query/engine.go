package query

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// Limits keep one request from taking the server. Zero values are defaults.
type Limits struct {
	Rows    int           // rows of an answer: points × groups; 200,000
	Period  time.Duration // longest period; 10 years
	RawUser time.Duration // longest period of a question by user below a quarter of an hour, which reads raw rows; 24 h
	// Unsettled is how many minutes that are stored but not rolled up yet are
	// read from raw rows instead; with more, the rollups' older figures are
	// given and Meta says so. 30; negative is none.
	Unsettled int
	Timeout   time.Duration // of a whole request; 30 s
}

// Config is what an Engine needs.
type Config struct {
	Client *clickhouse.Client
	Now    func() time.Time // nil is time.Now
	Limits Limits
	Logger *slog.Logger // nil is silent
	// PendingTTL is how long the list of minutes that wait for their rollup is
	// kept; it is read once for all requests of a tenant. 1 s; negative reads
	// it anew each time.
	PendingTTL time.Duration
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Client == nil {
		return errors.New("query: no ClickHouse client")
	}
	if c.Limits.Rows < 0 || c.Limits.Period < 0 || c.Limits.RawUser < 0 || c.Limits.Timeout < 0 {
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
	return &Engine{
		client:  cfg.Client,
		now:     cfg.Now,
		limits:  cfg.Limits.withDefaults(),
		log:     cfg.Logger,
		pending: newPendingReader(cfg.Client, cfg.PendingTTL),
	}, nil
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
// *RequestError, *AccessError, *clickhouse.Error or the context's.
func (e *Engine) Do(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	return nil, errors.ErrUnsupported
}

// ValuesRequest asks for the values that a dimension has.
type ValuesRequest struct {
	Dimension string    `json:"dimension"`
	Search    string    `json:"search,omitempty"` // part of the value, in any case
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Filters   []Filter  `json:"filters,omitempty"` // by other dimensions: the steps of one workflow
	Limit     int       `json:"limit,omitempty"`   // 0 is 1,000, also the most
}

// Values returns the distinct values of a dimension in a period, in order, for
// variables and editors. The period is widened to whole UTC days.
func (e *Engine) Values(ctx context.Context, p access.Principal, r ValuesRequest) ([]string, error) {
	return nil, errors.ErrUnsupported
}

// ErrorGroups lists what executions failed of, most frequent first. Of the
// request it uses From, To, TimeZone, Filters by the dimensions of executions,
// and Limit (100 by default). The frame has one row for each error type and
// message fingerprint, with the fields error_type, message (the message with
// what varies replaced), sample (one message as it was sent), fingerprint,
// count, share, first_seen, last_seen, workflows and users.
func (e *Engine) ErrorGroups(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	return nil, errors.ErrUnsupported
}

// TimeSeries turns a Result with a granularity into one frame for each series
// (metric and combination of dimensions), as Grafana's dataplane contract wants
// time series of type multi: a time field and a value field whose labels are the
// dimensions. A Result without granularity has no series: the answer is nil.
func TimeSeries(r *Result) data.Frames { return nil }
