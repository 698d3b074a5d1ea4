package engine

import (
	"context"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 30 * time.Second
	// After running this long a death is news, not part of a series.
	stableAfter = time.Minute
	// Reading many parts back in takes long on a slow disk; until then the
	// child is alive and must be let work.
	restartWait = 10 * time.Minute
)

// supervise starts ClickHouse again whenever it ends unasked. It never gives
// up: what keeps it from starting (a full disk, memory) may pass, and until
// then the log accumulates what the collector accepts.
func (e *Engine) supervise() {
	defer close(e.watched)
	ctx, cancel := e.untilStopped(context.Background())
	defer cancel()
	backoff := firstBackoff
	begun := time.Now()
	run := e.current()
	for {
		select {
		case <-ctx.Done():
			return
		case <-run.exited:
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > stableAfter {
			backoff = firstBackoff
		}
		e.died(exitError(run.err), backoff)
		if !sleep(ctx, backoff) {
			return
		}
		backoff = min(2*backoff, maxBackoff)

		begun = time.Now()
		if err := e.relaunch(ctx); err != nil {
			e.record(err)
		}
		run = e.current()
	}
}

func (e *Engine) relaunch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restartWait)
	defer cancel()
	e.mu.Lock()
	e.restarts++
	e.mu.Unlock()
	if err := e.launch(ctx); err != nil {
		return err
	}
	e.config.Logger.Info("engine is back", "pid", e.PID(), "restarts", e.Restarts())
	return nil
}

func (e *Engine) died(err error, backoff time.Duration) {
	e.record(err)
	e.config.Logger.Error("engine process ended unexpectedly, starting it again",
		"error", err, "backoff", backoff, "restarts", e.Restarts(), "log", e.paths.Log, "output", e.output.Tail())
}

func (e *Engine) record(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

// sleep reports whether the time passed without ctx ending.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
