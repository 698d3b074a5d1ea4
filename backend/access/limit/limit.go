// Package limit bounds how many events and requests an API key may send. The
// collectors share one count in Redis; without a configured one each process counts
// by itself. While Redis is away requests are let in
// and counted as unchecked: a limit protects from overload, and refusing what
// could be taken would be the greater harm.
package limit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/redis"
)

//go:embed gcra.lua
var source string

var script = goredis.NewScript(source)

// Default is what keys may do that have no limits of their own. Zero is no limit.
type Default struct {
	EventsPerSecond   float64
	RequestsPerSecond float64
	Burst             time.Duration // what may come at once, as the time in which it may come
}

// Config is what a Limiter needs.
type Config struct {
	Redis      *redis.Client
	Limits     func(keyID string) access.Limits // those of the key itself
	Default    Default
	Registerer prometheus.Registerer // none if nil
	Logger     *slog.Logger          // none if nil
}

// Limiter checks limits. It is safe for concurrent use.
type Limiter struct {
	cfg       Config
	local     *local // nil where the collectors share a Redis
	guard     *redis.Guard
	refused   prometheus.Counter
	unchecked prometheus.Counter
}

// New returns a Limiter.
func New(cfg Config) (*Limiter, error) {
	if cfg.Redis == nil || cfg.Limits == nil {
		return nil, errors.New("limit: needs a Redis and the keys' limits")
	}
	if d := cfg.Default; d.EventsPerSecond < 0 || d.RequestsPerSecond < 0 || d.Burst < 0 {
		return nil, fmt.Errorf("limit: the default %+v must not be negative", d)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Limiter{
		cfg: cfg, guard: redis.NewGuard(cfg.Redis, cfg.Logger),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_limit_refused_total", Help: "Requests refused because their key's limit was reached.",
		}),
		unchecked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_limit_unchecked_total", Help: "Requests let in without a check of their key's limit, because Redis did not answer.",
		}),
	}
	if !cfg.Redis.Shared() {
		l.local = newLocal()
	}
	if cfg.Registerer != nil {
		if err := errors.Join(cfg.Registerer.Register(l.refused), cfg.Registerer.Register(l.unchecked)); err != nil {
			return nil, fmt.Errorf("limit: register metric: %w", err)
		}
	}
	return l, nil
}

// Close ends what the Limiter does in the background; the Redis is its owner's.
func (l *Limiter) Close() { l.guard.Close() }

// Allow charges a request of a key with so many events. It returns how long to
// wait when the key has used up what it may, and nothing is charged then. Its
// error is the context's.
func (l *Limiter) Allow(ctx context.Context, keyID string, events int) (retryAfter time.Duration, err error) {
	var room [2]charge
	charges := l.charges(room[:0], keyID, events)
	if len(charges) == 0 {
		return 0, nil
	}
	var wait int64
	if l.local != nil {
		wait = l.local.allow(keyID, charges)
	} else if wait, err = l.shared(ctx, keyID, charges); err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		l.unchecked.Inc()
		return 0, nil
	}
	if wait > 0 {
		l.refused.Inc()
	}
	return time.Duration(wait) * time.Microsecond, nil
}

// shared asks Redis.
func (l *Limiter) shared(ctx context.Context, keyID string, charges []charge) (wait int64, err error) {
	var keys []string
	var costs []any
	for _, c := range charges {
		// In braces: a Redis of several nodes keeps a key's limits on one of them.
		keys = append(keys, "flowgauge:limit:{"+keyID+"}:"+c.what)
		costs = append(costs, c.cost, c.burst)
	}
	err = l.guard.Do(ctx, func(ctx context.Context, c *redis.Client) (err error) {
		wait, err = script.Run(ctx, c, keys, costs...).Int64()
		return err
	})
	return wait, err
}

// charges appends a charge for each limit that is set.
func (l *Limiter) charges(to []charge, keyID string, events int) []charge {
	own, d := l.cfg.Limits(keyID), l.cfg.Default
	burst := or(own.BurstSeconds, d.Burst.Seconds())
	add := func(what string, rate float64, n int) {
		if rate > 0 && n > 0 {
			to = append(to, charge{what: what, cost: float64(n) / rate * 1e6, burst: burst * 1e6})
		}
	}
	add("requests", or(own.RequestsPerSecond, d.RequestsPerSecond), 1)
	add("events", or(own.EventsPerSecond, d.EventsPerSecond), events)
	return to
}

func or(own *float64, def float64) float64 {
	if own != nil {
		return *own
	}
	return def
}
