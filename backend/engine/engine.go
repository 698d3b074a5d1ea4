package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// ErrStopped is returned by Start on an engine that was stopped: make a new one.
var ErrStopped = errors.New("engine is stopped")

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
		SQL:      User{Name: SQLUser, Password: passwords.SQL},
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

func (e *Engine) current() *process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.run
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
