package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// ErrStopped is returned by Start on an engine that was stopped: make a new one.
var ErrStopped = errors.New("engine is stopped")

// Another process may take a port between its choice and its use.
const startAttempts = 3

// An Engine is one embedded ClickHouse. Its methods may be called from any
// goroutine.
type Engine struct {
	config  Config
	library string // its path
	paths   paths
	lock    *os.File
	output  *cappedFile

	starting sync.Mutex // held by Start and Stop, so that one sees the other's end

	mu       sync.Mutex // guards what follows
	endpoint Endpoint
	run      *process
	restarts int
	err      error

	started  bool
	stopOnce sync.Once
	stopping chan struct{} // closed by Stop: nothing is started from here on
	watched  chan struct{} // closed when supervise has returned
	done     chan struct{}
}

// New takes possession of the directory and prepares it. Stop releases it,
// whether Start was called or not.
func New(config Config) (*Engine, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	library, err := Find(config.Library, "")
	if err != nil {
		return nil, err
	}
	e := &Engine{
		config:   config,
		library:  library,
		paths:    pathsIn(config.Dir),
		stopping: make(chan struct{}),
		watched:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	if err := e.prepare(); err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

func (e *Engine) prepare() error {
	for _, dir := range []string{e.config.Dir, filepath.Dir(e.paths.Config), e.paths.Data, filepath.Dir(e.paths.Log)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create engine directory: %w", err)
		}
	}
	var err error
	if e.lock, err = lockDir(e.paths.Lock); err != nil {
		return err
	}
	if e.output, err = openCapped(e.paths.Stderr); err != nil {
		return err
	}
	passwords, err := loadCredentials(e.paths.Credentials)
	if err != nil {
		return err
	}
	e.endpoint = Endpoint{
		Host:     loopback,
		Database: e.config.Database,
		Writer:   User{Name: WriterUser, Password: passwords.Writer},
		Reader:   User{Name: ReaderUser, Password: passwords.Reader},
	}
	return e.choosePorts()
}

func (e *Engine) choosePorts() error {
	tcp, http, err := choosePorts(e.config.TCPPort, e.config.HTTPPort)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endpoint.TCPPort, e.endpoint.HTTPPort = tcp, http
	return nil
}

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
	return nil
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

func (e *Engine) current() *process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.run
}

func (e *Engine) release() {
	if e.output != nil {
		_ = e.output.Close()
	}
	if e.lock != nil {
		_ = e.lock.Close()
	}
}

// Endpoint says how to connect. Its ports are final once Start has returned.
func (e *Engine) Endpoint() Endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.endpoint
}

// Done is closed when the engine has stopped for good.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Err is why ClickHouse died last without being asked to, nil if it never did.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// Restarts counts how often ClickHouse had to be started again.
func (e *Engine) Restarts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.restarts
}

// PID is the process id of the child, 0 when there is none.
func (e *Engine) PID() int {
	if run := e.current(); run != nil {
		select {
		case <-run.exited:
		default:
			return run.pid()
		}
	}
	return 0
}
