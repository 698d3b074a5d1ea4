package engine

import (
	"context"
	"errors"
	"fmt"
)

// Another process may take a port between its choice and its use.
const startAttempts = 3

// Start runs ClickHouse and returns when clients can connect. ctx bounds the
// wait only: the engine lives until Stop. On an engine that runs it does
// nothing; when it fails the engine is stopped.
func (e *Engine) Start(ctx context.Context) error {
	e.starting.Lock()
	defer e.starting.Unlock()
	select {
	case <-e.stopping:
		return ErrStopped
	default:
	}
	if e.started {
		return nil
	}
	ctx, cancel := e.untilStopped(ctx)
	defer cancel()
	var err error
	for range startAttempts {
		if err = e.launch(ctx); err == nil {
			e.started = true
			go e.supervise()
			return nil
		}
		if ctx.Err() != nil || e.config.TCPPort != 0 && e.config.HTTPPort != 0 {
			break
		}
		if portErr := e.choosePorts(); portErr != nil {
			err = errors.Join(err, portErr)
			break
		}
	}
	e.stopLocked(nil)
	return err
}

// untilStopped returns a context that ends when the engine is told to stop.
func (e *Engine) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-e.stopping:
			cancel(ErrStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// launch starts one child and waits until it is ready.
func (e *Engine) launch(ctx context.Context) error {
	endpoint := e.Endpoint()
	if err := writeConfig(e.config, e.paths, endpoint); err != nil {
		return err
	}
	run, err := spawn(e.library, e.paths, e.lock, e.output)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.run = run
	e.mu.Unlock()
	if err := awaitReady(ctx, run, endpoint); err != nil {
		force := make(chan struct{})
		close(force)
		run.stop(force)
		return fmt.Errorf("start engine in %s: %w; see %s: %s", e.config.Dir, err, e.paths.Stderr, e.output.Tail())
	}
	return e.publish(endpoint)
}

// Stop ends ClickHouse in order, by force once ctx ends, and releases the
// directory. Calling it again waits for the first call.
func (e *Engine) Stop(ctx context.Context) error {
	// Before the lock: a Start that is waiting for ClickHouse gives up on this.
	e.forbidStarts()
	e.starting.Lock()
	defer e.starting.Unlock()
	e.stopLocked(ctx.Done())
	return nil
}

func (e *Engine) forbidStarts() {
	e.stopOnce.Do(func() { close(e.stopping) })
}

func (e *Engine) stopLocked(force <-chan struct{}) {
	select {
	case <-e.done:
		return
	default:
	}
	e.forbidStarts()
	if e.started {
		// supervise may be starting another child: after it has returned there
		// is at most one, and nobody starts more.
		<-e.watched
	}
	if run := e.current(); run != nil {
		run.stop(force)
	}
	e.release()
	close(e.done)
}

func (e *Engine) release() {
	if e.output != nil {
		_ = e.output.Close()
	}
	if e.lock != nil {
		_ = e.lock.Close()
	}
}
