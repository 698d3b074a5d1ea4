// Package conformance finds out whether a plugin keeps the contract: it starts the plugin as
// Flowgauge does, asks it about events of every kind, and looks at what it answers.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/export"
	"github.com/flowgauge/flowgauge/backend/notify"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// A Check is something that a plugin must do.
type Check struct {
	Name string
	Err  error // nil: it does
}

// Config says what is tested.
type Config struct {
	Dir      string // a folder of plugins in which it is installed
	ID       string
	Settings json.RawMessage
	Logger   *slog.Logger
	Requests []Request // that a source makes events of
}

// Run makes every check of the extensions that the plugin's manifest names. Report is told each
// as it ends. It returns an error when a check could not be made, or failed.
func Run(ctx context.Context, cfg Config, report func(Check)) error {
	t := &tester{cfg: cfg, report: report}
	found, err := host.Find(cfg.Dir, cfg.ID, "")
	if err != nil {
		return err
	}
	use := host.Use{ID: cfg.ID, Settings: cfg.Settings, Timeout: 10 * time.Second}
	if found.Manifest.Passed() {
		use.OnFailure = host.DeadLetter
	}
	h, err := host.New(host.Config{Dir: cfg.Dir, Logger: cfg.Logger, Use: []host.Use{use}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	defer running.Wait()
	defer cancel()
	t.check("it starts, and is what its manifest says", func() error { return up(ctx, h) })
	if t.failed > 0 {
		return t.err()
	}
	for _, p := range h.Plugins(contract.ExtensionEnricher) {
		t.chain = enrich.New([]enrich.Enricher{enrich.Remote{Plugin: p}}, nil, t.logger())
		t.events = slices.DeleteFunc(samples(), func(e event.Event) bool {
			return !slices.Contains(p.Manifest().Permissions.Kinds, e.Kind.String())
		})
		t.batches(ctx, "enricher")
	}
	for _, p := range h.Plugins(contract.ExtensionPricer) {
		t.chain = enrich.New(nil, []enrich.Pricer{enrich.Remote{Plugin: p}}, t.logger())
		t.events = slices.DeleteFunc(samples(), func(e event.Event) bool { return e.Kind != event.KindCost })
		t.batches(ctx, "pricer")
	}
	for _, p := range h.Plugins(contract.ExtensionSource) {
		t.source(ctx, p)
	}
	for _, p := range h.Plugins(contract.ExtensionNotifier) {
		t.notifier(ctx, notify.Remote{Plugin: p})
	}
	for _, p := range h.Plugins(contract.ExtensionForecaster) {
		t.forecaster(ctx, p)
	}
	for _, p := range h.Plugins(contract.ExtensionDetector) {
		t.detector(ctx, p)
	}
	if len(h.Plugins(contract.ExtensionPanel)) > 0 {
		t.panelKinds(ctx, h, cfg.ID)
	}
	for _, p := range h.Plugins(contract.ExtensionExporter) {
		t.exporter(ctx, export.Remote{Plugin: p})
	}
	t.check("a reload starts it again", func() error { return h.Reload(ctx) })
	t.check("it is still up", func() error { return up(ctx, h) })
	return t.err()
}

// up waits until all plugins are.
func up(ctx context.Context, h *host.Host) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := h.Err()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

type tester struct {
	cfg    Config
	report func(Check)
	failed int
	chain  *enrich.Chain
	events []event.Event
}

func (t *tester) logger() *slog.Logger {
	if t.cfg.Logger != nil {
		return t.cfg.Logger
	}
	return slog.New(slog.DiscardHandler)
}

func (t *tester) check(name string, holds func() error) {
	c := Check{Name: name, Err: holds()}
	if c.Err != nil {
		t.failed++
	}
	t.report(c)
}

func (t *tester) err() error {
	if t.failed > 0 {
		return fmt.Errorf("%d checks failed", t.failed)
	}
	return nil
}

// An outcome is what has become of an event, as texts that can be compared.
type outcome struct {
	event  string
	letter string
	added  []string
}

// ask passes copies of the events through the plugin.
func (t *tester) ask(ctx context.Context, events []event.Event) ([]outcome, error) {
	events = slices.Clone(events)
	results, err := t.chain.Enrich(ctx, events)
	if err != nil {
		return nil, err
	}
	outcomes := make([]outcome, len(events))
	var errs []error
	for i, r := range results {
		o := &outcomes[i]
		if r.Letter != nil {
			o.letter = r.Letter.Message
			if r.Letter.Code == event.CodePluginFailed {
				errs = append(errs, errors.New(r.Letter.Message))
			}
		}
		o.event = spelt(&events[i])
		for _, added := range r.Added {
			o.added = append(o.added, spelt(added))
		}
	}
	return outcomes, errors.Join(errs...)
}

func spelt(e *event.Event) string {
	text, err := event.MarshalJSON(e)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// batches makes the checks of what is asked about events.
func (t *tester) batches(ctx context.Context, extension string) {
	if len(t.events) == 0 {
		t.check(extension+": its manifest names the kinds of events that it sees (permissions.kinds)", func() error {
			return errors.New("it names none, so it is never asked")
		})
		return
	}
	first, err := t.ask(ctx, t.events)
	t.check(extension+": it answers events of every kind that it sees, within its permissions", func() error { return err })
	if err != nil {
		return
	}
	t.check(extension+": it says the same of an event when it comes again, alone or among others", func() error {
		for i := range t.events {
			alone, err := t.ask(ctx, t.events[i:i+1])
			if err != nil {
				return err
			}
			if err := same(first[i], alone[0]); err != nil {
				return fmt.Errorf("event %q: %w", t.events[i].ID, err)
			}
		}
		return nil
	})
	t.check(fmt.Sprintf("%s: it answers %d events at once, four times at the same time", extension, contract.MaxBatch), func() error {
		many := make([]event.Event, contract.MaxBatch)
		for i := range many {
			many[i] = t.events[i%len(t.events)]
		}
		errs := make([]error, 4)
		var all sync.WaitGroup
		for n := range errs {
			all.Go(func() {
				outcomes, err := t.ask(ctx, many)
				for i := 0; err == nil && i < len(outcomes); i++ {
					err = same(first[i%len(first)], outcomes[i])
				}
				errs[n] = err
			})
		}
		all.Wait()
		return errors.Join(errs...)
	})
}

func same(a, b outcome) error {
	switch {
	case a.event != b.event:
		return fmt.Errorf("once it became %s, once %s", a.event, b.event)
	case a.letter != b.letter:
		return fmt.Errorf("once it was dropped for %q, once for %q", a.letter, b.letter)
	case !slices.Equal(a.added, b.added):
		return fmt.Errorf("once it added %v, once %v", a.added, b.added)
	}
	return nil
}
