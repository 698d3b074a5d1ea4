package cache

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/redis"
)

// tolerated is how old a change feed may be that an answer is served by.
const tolerated = 5 * time.Second

// Engine answers questions and says what their answers depend on; query.Engine is one.
type Engine interface {
	Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error)
	Plain(ctx context.Context, p access.Principal, r query.Request) (bool, error)
	Record(ctx context.Context, p access.Principal, r query.Request, res *query.Result, err error) error
	Key(p access.Principal, r query.Request) (tenant, key string, from, to time.Time, err error)
	Asked(p access.Principal, r query.Request) (*query.Asked, error)
	Changes(ctx context.Context, tenant string, tolerated time.Duration) (*query.Changes, error)
}

// Config says what is cached, and where.
type Config struct {
	Engine   Engine
	Redis    *redis.Client // nil is none: answers stay in this process
	MaxBytes int64         // in this process; 64 MiB if 0
	TTL      time.Duration // in Redis; 24 hours if 0, also the most
	// Revision is of whatever else decides what a principal sees within its scope, such as
	// policies and who is in which team: it changes whenever one of them does. nil is none.
	Revision   func(ctx context.Context, p access.Principal) (string, error)
	Now        func() time.Time // nil is time.Now
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Validate reports what is missing.
func (c Config) Validate() error {
	switch {
	case c.Engine == nil:
		return errors.New("cache: no engine")
	case c.MaxBytes < 0:
		return errors.New("cache: the size is negative; 0 is its default")
	case c.TTL < 0 || c.TTL > maxTTL:
		return errors.New("cache: answers are kept for 24 hours at most")
	}
	return nil
}

// maxTTL is less than how far back a change feed knows marks.
const maxTTL = 24 * time.Hour

// Cache is an engine that remembers. It is safe for concurrent use. Its answers are
// shared: who gets one reads it only.
type Cache struct {
	Engine
	revision func(ctx context.Context, p access.Principal) (string, error)
	now      func() time.Time
	memory   *memory
	shared   *shared
	flights  flights
	metrics  *metrics
}

// New returns a Cache. Close ends what it does in the background.
func New(cfg Config) (*Cache, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.TTL == 0 {
		cfg.TTL = maxTTL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cache{
		Engine: cfg.Engine, revision: cfg.Revision, now: cfg.Now,
		memory: newMemory(cfg.MaxBytes), flights: flights{calls: map[string]*flight{}},
	}
	var err error
	if c.metrics, err = newMetrics(cfg.Registerer, c.memory); err != nil {
		return nil, err
	}
	c.shared, err = newShared(cfg.Redis, cfg.TTL, cfg.Logger, c.metrics)
	return c, err
}

// Close ends what the cache does in the background.
func (c *Cache) Close() { c.shared.close() }

// Do answers a question, from what is kept if that is current. Whichever way it is
// answered, the reading is recorded once.
func (c *Cache) Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	q, reason := c.question(ctx, p, r)
	if reason == "" {
		// An answer that is kept says that the question is sound.
		if e := c.memory.get(q.whole); e != nil && e.current(q) {
			c.metrics.answered(hit)
			return c.record(ctx, q, e.result, nil)
		}
		reason = q.describe(c.Engine)
	}
	if reason != "" {
		c.metrics.bypassed.WithLabelValues(reason).Inc()
		if reason == lateFeed {
			return c.together(ctx, q)
		}
		return c.Engine.Do(ctx, p, r)
	}
	// Those who ask the same by the same feed share the work.
	res, err := c.flights.do(ctx, q.whole+strconv.FormatInt(q.changes.At.UnixNano(), 36), func(ctx context.Context) (*query.Result, error) {
		return c.answer(query.Recorded(query.WithChanges(ctx, q.changes)), q)
	})
	return c.record(ctx, q, res, err)
}

// together answers those who ask the same within some seconds at once, when it is not known
// whether what is kept is current. It is then that the database is slow, and each viewer of
// each panel would ask it.
func (c *Cache) together(ctx context.Context, q *question) (*query.Result, error) {
	key := q.whole + "\x00" + strconv.FormatInt(q.now.UnixNano()/int64(tolerated), 36)
	res, err := c.flights.do(ctx, key, func(ctx context.Context) (*query.Result, error) {
		res, err := c.Engine.Do(query.Recorded(ctx), q.principal, q.request)
		if res != nil {
			res.Share()
		}
		return res, err
	})
	return c.record(ctx, q, res, err)
}

// record keeps a record of a reading, without which there is no answer.
func (c *Cache) record(ctx context.Context, q *question, res *query.Result, err error) (*query.Result, error) {
	if err := c.Record(ctx, q.principal, q.request, res, err); err != nil {
		return nil, err
	}
	return res, err
}

// question is a question with what is known beside it.
type question struct {
	*query.Asked
	principal access.Principal
	request   query.Request
	changes   *query.Changes
	now       time.Time
	key       string // of the question without its period
	whole     string // of the question
}

// question names what is asked, or says why it is not a matter for the cache. With lateFeed
// there is a question all the same.
func (c *Cache) question(ctx context.Context, p access.Principal, r query.Request) (*question, string) {
	if r.Kind.Plugin() != "" {
		return nil, "kind" // what a plugin's answer depends on, only the plugin knows
	}
	tenant, key, from, to, err := c.Key(p, r)
	if err != nil {
		return nil, badRequest
	}
	if plain, err := c.Plain(ctx, p, r); err != nil || !plain {
		return nil, "policy"
	}
	q := &question{principal: p, request: r, now: c.now(), key: key}
	if c.revision != nil {
		revision, err := c.revision(ctx, p)
		if err != nil {
			return nil, "revision"
		}
		q.key += "\x00" + revision
	}
	q.whole = periodKey(q.key, from, to)
	q.changes, err = c.Changes(ctx, tenant, tolerated)
	if err != nil || time.Since(q.changes.At) > tolerated {
		return q, lateFeed
	}
	return q, ""
}

const (
	// badRequest is one that Do says what is wrong with.
	badRequest = "bad request"
	// lateFeed is a change feed that is too old to say what is current.
	lateFeed = "change feed"
)

// describe finds out what the answer depends on, or why it may not be kept.
func (q *question) describe(e Engine) (reason string) {
	asked, err := e.Asked(q.principal, q.request)
	if err != nil {
		return badRequest
	}
	q.Asked = asked
	return asked.Uncacheable
}

func periodKey(key string, from, to time.Time) string {
	return key + "\x00" + strconv.FormatInt(from.UnixMilli(), 36) + "-" + strconv.FormatInt(to.UnixMilli(), 36)
}

// answer finds an answer in Redis or puts it together.
func (c *Cache) answer(ctx context.Context, q *question) (*query.Result, error) {
	if e := c.memory.get(q.whole); e != nil && e.current(q) { // an earlier flight's
		c.metrics.answered(hit)
		return e.result, nil
	}
	if len(q.Cuts) > 0 && !q.Stale(q.changes) {
		res, err := c.pieced(ctx, q)
		if res != nil || err != nil {
			return res, err
		}
	} else if e := c.shared.get(ctx, q.whole, q.Asked); e != nil && e.current(q) {
		e.result.Share()
		c.memory.put(e)
		c.metrics.answered(hit)
		return e.result, nil
	}
	res, err := c.Engine.Do(ctx, q.principal, q.request)
	if err != nil {
		return nil, err
	}
	c.metrics.answered(miss)
	if e := c.keep(q, q.whole, q.Asked, res); e != nil && len(q.Cuts) == 0 {
		c.shared.put(ctx, e)
	}
	return res, nil
}

// keep keeps an answer in this process. It returns what others may use as well:
// nothing while it is current for this reading of the feed only.
func (c *Cache) keep(q *question, key string, asked *query.Asked, res *query.Result) *entry {
	if !asked.Covered(&res.Meta) {
		return nil
	}
	e := &entry{key: key, asked: asked, result: res, until: asked.Until}
	state, ok := asked.State(q.changes)
	e.state, e.passing = state, !ok
	e.seen.Store(q.changes)
	res.Share()
	c.memory.put(e)
	if e.passing {
		return nil
	}
	return e
}
