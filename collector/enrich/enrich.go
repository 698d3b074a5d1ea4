// Package enrich passes accepted events through plugins on their way into the database:
// enrichers change, drop and add events, pricers say what costs cost.
//
//	events ─> enricher ─> enricher ─> … ─> pricers ─> the price books
//
// A plugin that does not answer loses no event. Its policy says whether events wait for it
// (hold), go on as they are (skip), or become dead letters, which can be replayed. An answer that
// breaks the contract or goes beyond the plugin's permissions is none, as a whole.
package enrich

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// Plugin is what is asked. A host.Plugin is one, by way of Remote.
type Plugin interface {
	ID() string
	OnFailure() host.Policy
	Permissions() *host.Permissions
}

// Enricher is a Plugin that enriches.
type Enricher interface {
	Plugin
	// Enrich asks about what request gives for the plugin's permissions, if that is something,
	// and lets take have the answer. An error of take's says that it is none.
	Enrich(ctx context.Context, request func(*host.Permissions) []*contract.Event, take func([]*contract.Change) error) error
}

// Pricer is a Plugin that prices.
type Pricer interface {
	Plugin
	// Price is like an Enricher's Enrich.
	Price(ctx context.Context, request func(*host.Permissions) []*contract.Event, take func([]*contract.Price) error) error
}

// Result is what becomes of an event besides what was changed in it.
type Result struct {
	// Letter is what is stored in its place, if it is not nil.
	Letter *event.DeadLetter
	// Added are stored besides, also beside a letter. Stages hold on to them while others are added.
	Added []*event.Event

	received *event.Event // the event before the first change; nil: nothing has changed it
}

// letter is the event as it was received, which is what is replayed: what one plugin has done
// would be done twice else.
func (r *Result) letter(now *event.Event, code event.Code, message string) *event.DeadLetter {
	return letterOf(cmp.Or(r.received, now), code, message)
}

// Chain passes events through plugins.
type Chain struct {
	stages  []*link
	logger  *slog.Logger
	mu      sync.Mutex
	waiting map[*link]int // batches that a plugin holds
	events  *prometheus.CounterVec
}

// A link is a stage, and since when its plugin is down.
type link struct {
	stage
	counters
	down atomic.Pointer[time.Time]
}

// New returns a Chain through the enrichers and then the pricers.
func New(enrichers []Enricher, pricers []Pricer, logger *slog.Logger) *Chain {
	c := &Chain{logger: logger, waiting: map[*link]int{}, events: newEvents()}
	for _, e := range enrichers {
		counts := countersOf(c.events, e.ID())
		c.stages = append(c.stages, &link{stage: &enriching{of: e, counts: counts}, counters: counts})
	}
	for _, p := range pricers {
		counts := countersOf(c.events, p.ID())
		c.stages = append(c.stages, &link{stage: &pricing{of: p, counts: counts}, counters: counts})
	}
	return c
}

// A stage is one plugin in the chain.
type stage interface {
	plugin() Plugin
	// sees says which events it is asked about.
	sees() func(e *event.Event) bool
	// ask changes the events when the plugin has answered well, and none of them otherwise.
	ask(ctx context.Context, events []*passing) error
}

// passing is an event on its way. What a stage adds passes the stages after it too.
type passing struct {
	*event.Event
	result *Result
	origin *event.Event // of an added one, else itself
}

// Err names the first plugin that events wait for, nil if none do. What it says of itself is in
// the log: who asks may be anybody.
func (c *Chain) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.stages {
		if c.waiting[s] > 0 {
			return fmt.Errorf("plugin %s holds them; Flowgauge's log and GET /api/v1/plugins say why", s.plugin().ID())
		}
	}
	return nil
}

// wait notes that one batch more or less waits for a plugin.
func (c *Chain) wait(s *link, change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[s] += change
}

// Enrich changes the events and says what becomes of them. It returns an error only when ctx
// ends. It may be called by several goroutines at once.
func (c *Chain) Enrich(ctx context.Context, events []event.Event) ([]Result, error) {
	results := make([]Result, len(events))
	all := make([]*passing, len(events))
	for i := range events {
		all[i] = &passing{Event: &events[i], result: &results[i], origin: &events[i]}
	}
	for _, s := range c.stages {
		some, sees := make([]*passing, 0, len(all)), s.sees()
		for _, p := range all {
			if p.result.Letter == nil && sees(p.Event) {
				some = append(some, p)
			}
		}
		for len(some) > 0 {
			n := together(some)
			if err := c.pass(ctx, s, some[:n]); err != nil {
				return nil, err
			}
			some = some[n:]
		}
		all = withAdded(all)
	}
	return results, nil
}

// withAdded lists the events with those that were added to them.
func withAdded(all []*passing) []*passing {
	var more []*passing
	for _, p := range all {
		if p.Event != p.origin {
			continue
		}
		for _, e := range p.result.Added {
			more = append(more, &passing{Event: e, result: p.result, origin: p.origin})
		}
	}
	if more == nil {
		return all
	}
	kept := all[:0]
	for _, p := range all {
		if p.Event == p.origin {
			kept = append(kept, p)
		}
	}
	return append(kept, more...)
}

// mostBytes are the texts of the events of one question, about. What goes with them has room in a
// message of contract.MaxMessage.
const mostBytes = 32 << 20

// together is how many of events a plugin is asked about at once.
func together(events []*passing) int {
	bytes := 0
	for i, e := range events {
		if bytes += weight(e.Event); i == contract.MaxBatch || i > 0 && bytes > mostBytes {
			return i
		}
	}
	return len(events)
}

const (
	// patience is how long events wait for a plugin that is down, unless its policy is to hold
	// them. It is longer than the longest pause before a plugin is started again.
	patience      = 45 * time.Second
	shortestPause = 50 * time.Millisecond
	longestPause  = 5 * time.Second
)

// pass asks a plugin about events until they have passed it or its policy has been applied.
func (c *Chain) pass(ctx context.Context, s *link, events []*passing) error {
	if s.plugin().OnFailure() == host.Hold {
		return c.hold(ctx, s, events)
	}
	return c.attempt(ctx, s, events)
}

// hold asks until there is an answer.
func (c *Chain) hold(ctx context.Context, s *link, events []*passing) error {
	err := s.ask(ctx, events)
	if err == nil {
		return nil
	}
	c.wait(s, 1)
	defer c.wait(s, -1)
	for pause := shortestPause; err != nil; pause = min(2*pause, longestPause) {
		if ctx.Err() == nil {
			c.logger.WarnContext(ctx, "events wait for a plugin", "plugin", s.plugin().ID(), "events", len(events), "error", err, "retry_in", pause)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		err = s.ask(ctx, events)
	}
	return nil
}

// attempt applies the policy to those events that the plugin cannot be asked about. Where it
// cannot be asked about many together, it is asked about each half, level by level, so that one
// event decides for no other, and others do not wait for it longer than they have to.
func (c *Chain) attempt(ctx context.Context, s *link, events []*passing) error {
	for queue := [][]*passing{events}; len(queue) > 0; queue = queue[1:] {
		some := queue[0]
		err := s.patiently(ctx, some)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case len(some) > 1 && !isDown(err):
			middle := len(some) / 2
			queue = append(queue, some[:middle], some[middle:])
		default:
			c.giveUp(ctx, s, some, err)
		}
	}
	return nil
}

// patiently asks, and waits for a plugin that is down. Nobody waits for one that is down for
// longer than that: events would come more slowly than they are accepted.
func (s *link) patiently(ctx context.Context, events []*passing) error {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		err := s.ask(ctx, events)
		if !isDown(err) {
			s.down.Store(nil)
			return err
		}
		now := time.Now()
		s.down.CompareAndSwap(nil, &now)
		if since := s.down.Load(); since != nil && now.Sub(*since) >= patience {
			return err
		}
		if sleep(ctx, pause) != nil {
			return err
		}
	}
}

func (c *Chain) giveUp(ctx context.Context, s *link, events []*passing, err error) {
	p := s.plugin()
	c.logger.ErrorContext(ctx, "a plugin could not be asked about events", "plugin", p.ID(), "events", len(events), "on_failure", string(p.OnFailure()), "error", err)
	if p.OnFailure() == host.Skip {
		s.counters[outcomeSkipped].Add(float64(len(events)))
		return
	}
	s.counters[outcomeLetter].Add(float64(len(events)))
	for _, e := range events {
		// What was added comes again when the letter is replayed.
		e.result.Letter, e.result.Added = e.result.letter(e.origin, event.CodePluginFailed, err.Error()), nil
	}
}

func isDown(err error) bool {
	var down *host.DownError
	return errors.As(err, &down)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
