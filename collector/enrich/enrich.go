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
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

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
	// Added are stored besides. Stages hold on to them while others are added.
	Added []*event.Event
}

// Chain passes events through plugins.
type Chain struct {
	stages []stage
	logger *slog.Logger
	held   atomic.Pointer[string] // why events wait
}

// New returns a Chain through the enrichers and then the pricers.
func New(enrichers []Enricher, pricers []Pricer, logger *slog.Logger) *Chain {
	c := &Chain{logger: logger}
	for _, e := range enrichers {
		c.stages = append(c.stages, &enriching{of: e})
	}
	for _, p := range pricers {
		c.stages = append(c.stages, &pricing{of: p})
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

// Err is why events wait for a plugin, nil if none do.
func (c *Chain) Err() error {
	if why := c.held.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
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
		for begin := 0; begin < len(some); begin += contract.MaxBatch {
			if err := c.pass(ctx, s, some[begin:min(begin+contract.MaxBatch, len(some))]); err != nil {
				return nil, err
			}
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

const (
	// patience is how long events wait for a plugin that is down, unless its policy is to hold them.
	patience      = 30 * time.Second
	shortestPause = 50 * time.Millisecond
	longestPause  = 5 * time.Second
)

// pass asks a plugin about events, at most contract.MaxBatch, until they have passed it or its
// policy has been applied.
func (c *Chain) pass(ctx context.Context, s stage, events []*passing) error {
	if len(events) == 0 {
		return nil
	}
	if s.plugin().OnFailure() == host.Hold {
		return c.hold(ctx, s, events)
	}
	waited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c.attempt(waited, s, events)
	return ctx.Err()
}

// hold asks until there is an answer.
func (c *Chain) hold(ctx context.Context, s stage, events []*passing) error {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		err := s.ask(ctx, events)
		if err == nil {
			c.held.Store(nil)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		why := "events are accepted and wait in the log for a plugin: " + err.Error()
		c.held.Store(&why)
		c.logger.WarnContext(ctx, "events wait for a plugin", "plugin", s.plugin().ID(), "events", len(events), "error", err, "retry_in", pause)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// attempt asks, and waits as long as ctx lets it for a plugin that is down. Events about which
// it cannot be asked together are asked about by halves, so that one of them does not
// decide for all. In the end the policy is applied to those that are left.
func (c *Chain) attempt(ctx context.Context, s stage, events []*passing) {
	err := s.ask(ctx, events)
	for pause := shortestPause; isDown(err); pause = min(2*pause, longestPause) {
		if sleep(ctx, pause) != nil {
			break
		}
		err = s.ask(ctx, events)
	}
	switch {
	case err == nil:
	case len(events) > 1 && ctx.Err() == nil && !isDown(err):
		middle := len(events) / 2
		c.attempt(ctx, s, events[:middle])
		c.attempt(ctx, s, events[middle:])
	default:
		c.giveUp(ctx, s, events, err)
	}
}

func (c *Chain) giveUp(ctx context.Context, s stage, events []*passing, err error) {
	p := s.plugin()
	c.logger.ErrorContext(ctx, "a plugin could not be asked about events", "plugin", p.ID(), "events", len(events), "on_failure", string(p.OnFailure()), "error", err)
	if p.OnFailure() == host.Skip {
		return
	}
	for _, e := range events {
		e.result.Letter, e.result.Added = letterOf(e.origin, event.CodePluginFailed, err.Error()), nil
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
