// Package host runs plugins: it finds them in a folder, checks their files, starts them as
// processes with no more than they need, watches them, starts them again when they fail, and
// asks them within a deadline.
//
// A plugin that crashes, hangs, leaks, floods its log or answers nonsense is taken down and
// started again with growing pauses; what is asked of it meanwhile fails at once, with the
// reason, and the one who asks decides by its policy. No plugin notices another.
package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/plugins/contract"
)

// A Policy says what becomes of an event that a plugin could not be asked about.
type Policy string

// The policies. Plugins that events do not pass have none.
const (
	Skip       Policy = "skip"        // it goes on as it is
	Hold       Policy = "hold"        // it waits until the plugin answers, and those behind it
	DeadLetter Policy = "dead_letter" // it is kept as a dead letter, to be replayed
)

// Use is a plugin that is to run.
type Use struct {
	ID       string
	Version  string // the newest that is installed if empty
	Settings json.RawMessage
	Secrets  []string // values in its settings that are not shown where it says them
	// Reread returns Settings and Secrets as they are now, for a start that is no restart after a
	// crash; nil: they stay.
	Reread      func() (settings json.RawMessage, secrets []string, err error)
	OnFailure   Policy        // of a plugin that events pass
	Timeout     time.Duration // of a call
	MemoryBytes uint64        // more, and it is started anew; 0 is no limit
}

// Config says which plugins run, and where they are.
type Config struct {
	Dir string
	Use []Use // in the order in which they are asked
	// Extensions are those that this process asks: plugins that have none of them do not run in
	// it. Nil is all.
	Extensions []contract.Extension
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Host runs plugins.
type Host struct {
	logger  *slog.Logger
	plugins []*Plugin
	others  []*Plugin // that do not run in this process
}

// New finds the plugins. One that is not installed, or that this Flowgauge cannot run, is an
// error: what it would have done is not known. One whose files have been changed is not: it
// stays down, and its policy holds.
func New(cfg Config) (*Host, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	h := &Host{logger: cfg.Logger}
	for _, use := range cfg.Use {
		found, err := Find(cfg.Dir, use.ID, use.Version)
		if err != nil {
			return nil, err
		}
		if err := found.Manifest.checkPolicy(use.OnFailure); err != nil {
			return nil, fmt.Errorf("plugins.use, %s: %w", use.ID, err)
		}
		with := config{Use: use, Dir: cfg.Dir, Extensions: cfg.Extensions, Logger: cfg.Logger}
		if cfg.Extensions != nil && !found.Manifest.extendsAny(cfg.Extensions) {
			h.others = append(h.others, &Plugin{cfg: with, manifest: found.Manifest})
			continue
		}
		of := m.of(use.ID)
		h.plugins = append(h.plugins, &Plugin{
			cfg: with, manifest: found.Manifest, metrics: of, logs: newLogs(cfg.Logger, use, of.left),
			reload: make(chan chan error), broken: make(chan error, 1), stopped: make(chan struct{}), why: errStarting, since: time.Now(),
		})
	}
	return h, nil
}

// Run keeps the plugins running until ctx ends, and returns when all their processes have.
func (h *Host) Run(ctx context.Context) {
	sweep(h.logger)
	var all sync.WaitGroup
	for _, p := range h.plugins {
		all.Go(func() {
			defer close(p.stopped)
			p.Run(ctx)
		})
	}
	all.Wait()
}

// Plugins are those that serve an extension, in the order of the configuration.
func (h *Host) Plugins(extension contract.Extension) []*Plugin {
	var some []*Plugin
	for _, p := range h.plugins {
		if slices.Contains(p.manifest.Extends, extension) {
			some = append(some, p)
		}
	}
	return some
}

// Err is why plugins are down, nil while all are up.
func (h *Host) Err() error {
	var errs []error
	for _, p := range h.plugins {
		errs = append(errs, p.Err())
	}
	return errors.Join(errs...)
}

// Reload starts every plugin anew without a pause, see Plugin.Reload.
func (h *Host) Reload(ctx context.Context) error {
	errs := make([]error, len(h.plugins))
	var all sync.WaitGroup
	for i, p := range h.plugins {
		all.Go(func() { errs[i] = p.Reload(ctx) })
	}
	for _, p := range h.others {
		if now, err := p.find(); err == nil { // What is wrong with it, whoever runs it says.
			p.compare(ctx, now.Manifest)
		}
	}
	all.Wait()
	return joined(h.plugins, errs)
}
