package live

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/redis"
)

// Longest is the longest window, and the age from which an event is late.
const Longest = 15 * time.Minute

const (
	flushEvery = time.Second
	// maxTenants bounds how many tenants are told apart in a second.
	maxTenants = 4096
)

// CounterConfig is what a Counter needs.
type CounterConfig struct {
	Redis      *redis.Client
	Now        func() time.Time      // nil is time.Now
	Registerer prometheus.Registerer // nil registers nothing
	Logger     *slog.Logger          // nil is silent
}

// Counter counts what a collector accepts. It allocates nothing for an event, is bounded
// in memory, and never waits for Redis. BenchmarkCount tells what it takes.
type Counter struct {
	cfg  CounterConfig
	seed maphash.Seed

	mu      sync.Mutex
	tenants map[string]*tally
	seen    *recent
	glance  event.Glance
	letter  event.DeadLetter
	gaps    map[string]int64 // tenants whose last counts were lost, and since when, in Unix ms

	writer    writer
	good      int64 // when it last sent all, in Unix ms
	away      bool  // as the log was told
	counted   prometheus.Counter
	repeated  prometheus.Counter
	uncounted prometheus.Counter
}

// NewCounter returns a Counter. Start it with Run.
func NewCounter(cfg CounterConfig) (*Counter, error) {
	if cfg.Redis == nil {
		return nil, errors.New("live: needs a Redis")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Counter{
		cfg: cfg, seed: maphash.MakeSeed(), tenants: map[string]*tally{}, seen: newRecent(), gaps: map[string]int64{},
		writer: writer{redis: cfg.Redis},
		counted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_live_events_total", Help: "Accepted and rejected events that were counted for live counters.",
		}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_live_repeated_events_total", Help: "Accepted events that live counters leave out, because they were counted a while before.",
		}),
		uncounted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_live_uncounted_events_total", Help: "Events that are missing from live counters, because Redis did not answer or there were too many tenants. Nothing else misses them.",
		}),
	}
	if cfg.Registerer == nil {
		return c, nil
	}
	for _, m := range []prometheus.Collector{c.counted, c.repeated, c.uncounted} {
		if err := cfg.Registerer.Register(m); err != nil {
			return nil, fmt.Errorf("live: register metric: %w", err)
		}
	}
	return c, nil
}

// Count counts records of the log that are durable. The records may be used for something
// else when it returns.
func (c *Counter) Count(records [][]byte) {
	now := c.cfg.Now().UnixMilli()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		switch event.RecordType(r) {
		case event.RecordEvent:
			if event.GlanceAt(r, &c.glance) == nil {
				c.event(&c.glance, now)
			}
		case event.RecordDeadLetter:
			if event.DecodeDeadLetter(r, &c.letter) == nil {
				c.add(c.letter.Tenant, "", "", Rejected)
			}
		case event.RecordFragment:
			if f, err := event.DecodeFragment(r); err == nil {
				c.fragment(&f, now)
			}
		}
	}
}

func (c *Counter) event(g *event.Glance, now int64) {
	if g.PreviousTime != event.NoTime && g.PreviousTime != g.Time {
		return // a correction of one that was counted
	}
	f, ok := figureOf(g.Kind, g.Status)
	if !ok {
		return
	}
	own := g.Time
	if g.EndTime != event.NoTime {
		own = g.EndTime
	}
	c.unseen(g.Tenant, g.ID, uint64(g.Time)<<8^uint64(g.Kind)<<4^uint64(g.Phase()), g.UserID, g.WorkflowID, f, own, now)
}

// fragment counts what a message says has happened. That it is about a step may not be
// known yet; it counts as what it looks like.
func (c *Counter) fragment(f *event.Fragment, now int64) {
	if f.Status == 0 {
		return
	}
	kind := event.KindExecution
	if f.Step() {
		if kind = event.KindStep; f.Status == event.StatusStarted {
			return
		}
	}
	if figure, ok := figureOf(kind, f.Status); ok {
		c.unseen(f.Tenant, f.Run, uint64(f.Time)<<8^uint64(kind)<<4^uint64(f.Status), f.UserID, f.Workflow, figure, f.Time, now)
	}
}

// unseen counts what is new to this process.
func (c *Counter) unseen(tenant, id string, what uint64, user, workflow string, f Figure, own, now int64) {
	t := c.tally(tenant)
	if t == nil {
		return
	}
	// A random seed, so nobody can choose ids that are taken for others.
	if c.seen.seen(maphash.String(c.seed, id) ^ t.hash ^ what*0x9e3779b97f4a7c15) {
		c.repeated.Inc()
		return
	}
	if now-own > Longest.Milliseconds() {
		f = Late
	}
	t.add(user, workflow, f)
}

func (c *Counter) add(tenant, user, workflow string, f Figure) {
	if t := c.tally(tenant); t != nil {
		t.add(user, workflow, f)
	}
}

// tally returns a tenant's, nil when there are too many.
func (c *Counter) tally(tenant string) *tally {
	if t, ok := c.tenants[tenant]; ok {
		return t
	}
	if len(c.tenants) == maxTenants {
		c.uncounted.Inc()
		return nil
	}
	t := newTally(c.seed, tenant)
	c.tenants[string([]byte(tenant))] = t
	return t
}

// Run sends the counts to Redis each second until ctx ends, and what is left then.
func (c *Counter) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.Flush(ctx)
		case <-ctx.Done():
			c.Flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// Flush sends what was counted since the last time. It takes two seconds at most.
func (c *Counter) Flush(ctx context.Context) {
	now := c.cfg.Now().UnixMilli()
	frames := c.take(now)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	sent, err := c.writer.send(ctx, frames)
	for _, f := range frames[:sent] {
		c.counted.Add(float64(f.events))
	}
	if err == nil || c.good == 0 {
		c.good = now
	}
	c.lose(frames[sent:])
	switch {
	case err != nil && !c.away:
		c.cfg.Logger.WarnContext(ctx, "live counters have a gap: redis does not answer", "error", err)
	case err == nil && c.away:
		c.cfg.Logger.InfoContext(ctx, "live counters are complete again")
	}
	c.away = err != nil
}

// tenantFrame is a frame on its way.
type tenantFrame struct {
	tenant string
	text   []byte
	events uint64
	gap    int64 // as of tally
}

// take makes frames of what was counted.
func (c *Counter) take(now int64) []tenantFrame {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tenant, since := range c.gaps {
		if t := c.tally(tenant); t != nil {
			t.gap = since
		}
	}
	clear(c.gaps)
	var out []tenantFrame
	for tenant, t := range c.tenants {
		if t.empty() {
			delete(c.tenants, tenant)
			continue
		}
		out = append(out, tenantFrame{tenant, t.encode(now), t.events, t.gap})
		t.begin()
	}
	return out
}

// lose notes whose counts are lost.
func (c *Counter) lose(frames []tenantFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range frames {
		c.uncounted.Add(float64(f.events))
		since := c.good
		if f.gap > 0 {
			since = f.gap // it did not get through either
		}
		c.gaps[f.tenant] = since // no more than maxTenants: take empties it
	}
}
