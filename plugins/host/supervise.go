package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/flowgauge/flowgauge/plugins/contract"
)

const (
	watchInterval  = 200 * time.Millisecond
	healthInterval = 5 * time.Second
	healthTimeout  = 3 * time.Second
	shortestPause  = 200 * time.Millisecond
	longestPause   = 30 * time.Second
	// steady is how long a plugin must have run for its next failure to count as its first.
	steady = time.Minute
)

// Run keeps the plugin running until ctx ends.
func (p *Plugin) Run(ctx context.Context) {
	defer p.retiring.Wait()
	pause := shortestPause
	var answer chan error // of whoever wants to know whether it starts
	for {
		why := p.once(ctx, answer)
		if ctx.Err() != nil {
			return
		}
		if time.Since(why.began) > steady {
			pause = shortestPause
		}
		p.again()
		p.cfg.Logger.ErrorContext(ctx, "a plugin is down and is started again", "plugin", p.cfg.ID, "error", why.err, "retry_in", pause)
		select {
		case <-ctx.Done():
			return
		case answer = <-p.reload:
		case <-time.After(pause):
			answer = nil
		}
		pause = min(2*pause, longestPause)
	}
}

// An ending says why a process is gone.
type ending struct {
	err   error
	began time.Time
}

// once starts the plugin, tells whether it is up, and returns when it is down.
func (p *Plugin) once(ctx context.Context, started chan<- error) ending {
	proc, err := p.start(ctx, started != nil)
	err = p.logs.secrets.err(err)
	if started != nil {
		started <- err
	}
	if err != nil {
		p.down(err)
		return ending{err: err, began: time.Now()}
	}
	p.up(ctx, proc)
	next := time.Now().Add(healthInterval)
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			p.down(errStopped)
			proc.retire(ctx, p.drain())
			return ending{}
		case answer := <-p.reload:
			newer, err := p.start(ctx, true)
			if err == nil {
				p.up(ctx, newer)
				old := proc
				p.retiring.Go(func() { old.retire(ctx, p.drain()) })
				proc = newer
			}
			answer <- p.logs.secrets.err(err)
			continue
		case err = <-p.broken:
		case <-ticker.C:
			err = p.look(ctx, proc, &next)
		}
		if err != nil && ctx.Err() == nil {
			err = p.logs.secrets.err(err)
			p.down(err)
			proc.stop() // what is in flight has failed, or never ends
			return ending{err: err, began: proc.began}
		}
	}
}

// drain is how long the calls of a process that was replaced may take: all that they may take.
func (p *Plugin) drain() time.Duration { return p.cfg.Timeout + time.Second }

// look finds out whether a process is still there, within its memory, and well.
func (p *Plugin) look(ctx context.Context, proc *process, next *time.Time) error {
	if proc.client.Exited() {
		return errEnded
	}
	if used, ok := memory(proc.pid); ok && p.cfg.MemoryBytes > 0 && used > p.cfg.MemoryBytes {
		return fmt.Errorf("it uses %d MiB of memory, %d are allowed (memory_bytes)", used>>20, p.cfg.MemoryBytes>>20)
	}
	if time.Now().Before(*next) {
		return nil
	}
	*next = time.Now().Add(healthInterval)
	err := proc.healthy(ctx)
	if errors.Is(err, errSilent) && proc.atWork(p.cfg.Timeout) {
		p.cfg.Logger.DebugContext(ctx, "a plugin is at work and does not say how it is", "plugin", p.cfg.ID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("it is not healthy: %w", err)
	}
	return nil
}

// start starts the version that ran last, for a crash is no reason for another one. Anew, or
// while none has run, it is the newest.
func (p *Plugin) start(ctx context.Context, anew bool) (*process, error) {
	if !anew && p.last != nil {
		return start(ctx, *p.last, p.cfg.Settings, p.logs)
	}
	settings, err := p.settings()
	if err != nil {
		return nil, err
	}
	of, err := p.find()
	if err != nil {
		return nil, err
	}
	if of.better != nil {
		p.cfg.Logger.WarnContext(ctx, "a newer version of a plugin cannot be used, an older one is started", "plugin", p.cfg.ID, "version", of.Manifest.Version, "error", p.logs.secrets.err(of.better))
	}
	if p.last != nil && p.last.Dir == of.Dir && p.last.sum != of.sum {
		return nil, fmt.Errorf("version %s is another than the one that ran until now, and versions never change: give the plugin a new version", of.Manifest.Version)
	}
	proc, err := start(ctx, of, settings, p.logs)
	if err == nil {
		p.cfg.Settings = settings
	}
	return proc, err
}

// settings are what the plugin is told when it is started anew.
func (p *Plugin) settings() (json.RawMessage, error) {
	if p.cfg.Reread == nil {
		return p.cfg.Settings, nil
	}
	settings, secrets, err := p.cfg.Reread()
	if err != nil {
		return nil, fmt.Errorf("its settings: %w", err)
	}
	p.logs.secrets.learn(secrets)
	return settings, nil
}

// find finds the version that is to run.
func (p *Plugin) find() (Installed, error) { return Find(p.cfg.Dir, p.cfg.ID, p.cfg.Version) }

// Reload starts the plugin anew, its newest version where the configuration names none. The
// old process gets calls until the new one answers, and ends when it has answered its own.
// When the new one does not start, the old one stays.
func (p *Plugin) Reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case p.reload <- answer:
	case <-p.stopped:
		return errStopped
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-answer:
		return err
	case <-p.stopped:
		return errStopped
	}
}

func (p *Plugin) up(ctx context.Context, proc *process) {
	p.mu.Lock()
	select {
	case stale := <-p.broken: // of the process before
		p.cfg.Logger.DebugContext(ctx, "a plugin was taken down twice", "plugin", p.cfg.ID, "error", stale)
	default:
	}
	p.current, p.why, p.failures, p.since = proc, nil, map[contract.Extension]int{}, time.Now()
	p.mu.Unlock()
	p.last = &proc.of
	p.metrics.up.Set(1)
	m := proc.of.Manifest
	p.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "a plugin is up", slog.String("plugin", m.ID), slog.String("version", m.Version), slog.Int("pid", proc.pid))
	p.compare(ctx, m)
}

// compare tells the operator of a version that extends something else than the one that was there
// at the start, by which it is settled what the plugin is asked for.
func (p *Plugin) compare(ctx context.Context, m *Manifest) {
	added, removed := p.beyond(m, p.manifest), p.beyond(p.manifest, m)
	if len(added)+len(removed) == 0 {
		return
	}
	attrs := []slog.Attr{
		slog.String("plugin", m.ID), slog.String("version", m.Version), slog.String("version_at_start", p.manifest.Version),
		slog.Any("added", added), slog.Any("removed", removed),
	}
	if err := m.checkPolicy(p.cfg.OnFailure); err != nil {
		attrs = append(attrs, slog.String("change_first", err.Error()))
	}
	p.cfg.Logger.LogAttrs(ctx, slog.LevelWarn,
		"a plugin extends something else than at the start of this process; until you restart it, what is added is not asked for and what is removed fails", attrs...)
}

// beyond are the extensions of one manifest that another does not have, of those that this
// process asks.
func (p *Plugin) beyond(m, other *Manifest) []contract.Extension {
	return slices.DeleteFunc(slices.Clone(m.Extends), func(e contract.Extension) bool {
		return slices.Contains(other.Extends, e) || p.cfg.Extensions != nil && !slices.Contains(p.cfg.Extensions, e)
	})
}

func (p *Plugin) down(why error) {
	p.mu.Lock()
	if p.current != nil {
		p.since = time.Now()
	}
	p.current, p.why = nil, why
	p.mu.Unlock()
	p.metrics.up.Set(0)
}
