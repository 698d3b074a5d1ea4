package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flowgauge/flowgauge/plugins/contract"
)

// mostFailures of an extension in a row take a plugin down: it is started anew, and meanwhile
// calls fail at once instead of each after its deadline.
const mostFailures = 3

// A Plugin is one that is kept running. Its methods may be called at once by many.
type Plugin struct {
	cfg      config
	manifest *Manifest // of the version that was there at the start
	logs     *logs
	metrics  pluginMetrics
	reload   chan chan error
	broken   chan error
	stopped  chan struct{}
	retiring sync.WaitGroup // processes that were replaced
	last     *Installed     // the version that was up last, nil before one was

	mu       sync.Mutex
	current  *process                   // nil while it is down
	why      error                      // it is down
	failures map[contract.Extension]int // of calls, in a row
	since    time.Time                  // it is up, or down
	restarts int
}

// config is what one plugin is run with.
type config struct {
	Use
	Dir        string
	Extensions []contract.Extension // that this process asks; nil is all
	Logger     *slog.Logger
}

// DownError says that a plugin was not asked, because it is down.
type DownError struct {
	ID  string
	Why error
}

func (e *DownError) Error() string { return fmt.Sprintf("plugin %s is down: %v", e.ID, e.Why) }

func (e *DownError) Unwrap() error { return e.Why }

// RefusedError is an answer: the plugin cannot do what it was asked, and would not when it
// was asked again.
type RefusedError struct {
	ID, Message   string
	Unimplemented bool // it does not have that call
}

func (e *RefusedError) Error() string { return fmt.Sprintf("plugin %s: %s", e.ID, e.Message) }

// Refusal is what the plugin has said.
func (e *RefusedError) Refusal() string { return e.Message }

// FailedError says that a plugin was asked, and that there is no answer that can be used.
type FailedError struct {
	ID   string
	Why  error
	Late bool // there was none in time
	Gone bool // its process has ended instead
}

func (e *FailedError) Error() string { return fmt.Sprintf("plugin %s: %v", e.ID, e.Why) }

// Unwrap returns why.
func (e *FailedError) Unwrap() error { return e.Why }

var (
	errStarting = errors.New("it is being started")
	errEnded    = errors.New("its process has ended")
	errGone     = errors.New("its process has gone")
	errStopped  = errors.New("it is not run any more")
)

// ID is that of the plugin.
func (p *Plugin) ID() string { return p.cfg.ID }

// Manifest is that of the running version, or of the one that was there at the start.
func (p *Plugin) Manifest() *Manifest {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil {
		return p.current.of.Manifest
	}
	return p.manifest
}

// OnFailure says what becomes of what the plugin could not be asked about.
func (p *Plugin) OnFailure() Policy { return p.cfg.OnFailure }

// Err is why the plugin is down, nil while it is up.
func (p *Plugin) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil {
		return nil
	}
	return &DownError{ID: p.cfg.ID, Why: p.why}
}

// Call asks the plugin, within its deadline. do is told the manifest of the process that it
// asks: a reload may change what the plugin sees and may do. An answer that breaks the contract is an error of
// do's too: it counts as a failure as a crash does. So does no answer within the caller's own deadline.
func (p *Plugin) Call(ctx context.Context, extension contract.Extension, do func(ctx context.Context, conn grpc.ClientConnInterface, m *Manifest) error) error {
	proc, err := p.enter()
	if err != nil {
		p.metrics.calls.WithLabelValues(string(extension), "down").Inc()
		return err
	}
	defer proc.leave()
	if err := ctx.Err(); err != nil {
		return err // before it could be asked
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	began, a := time.Now(), new(answer)
	err = do(context.WithValue(limited, answers{}, a), proc.conn, proc.of.Manifest)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // whoever asked has gone
	}
	took := time.Since(began)
	p.metrics.seconds.WithLabelValues(string(extension)).Observe(took.Seconds())
	if err == nil {
		proc.hear()
		p.metrics.calls.WithLabelValues(string(extension), "ok").Inc()
		p.judge(proc, extension, nil, false)
		return nil
	}
	deadline, _ := limited.Deadline()
	callers, ok := ctx.Deadline()
	v := a.verdict(err, time.Until(deadline) < nearly)
	v.hurried = v.late && ok && callers.Equal(deadline)
	p.metrics.calls.WithLabelValues(string(extension), v.outcome()).Inc()
	if !v.late && !v.gone {
		proc.hear()
	}
	if v.refused {
		p.judge(proc, extension, nil, false) // it works; what it was asked was wrong
		return &RefusedError{ID: p.cfg.ID, Message: p.logs.secrets.clean(status.Convert(err).Message()), Unimplemented: status.Code(err) == codes.Unimplemented}
	}
	failed := &FailedError{ID: p.cfg.ID, Why: p.told(err, v, took), Late: v.late, Gone: v.gone}
	if v.works(extension) {
		p.judge(proc, extension, nil, false)
	} else {
		p.judge(proc, extension, failed, v.gone)
	}
	if v.hurried {
		return context.DeadlineExceeded
	}
	return failed
}

// enter gives the process and counts a call in flight.
func (p *Plugin) enter() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return nil, &DownError{ID: p.cfg.ID, Why: p.why}
	}
	p.current.calls.Add(1)
	p.current.busy.Add(1)
	return p.current, nil
}

// leave ends a call.
func (p *process) leave() {
	p.busy.Add(-1)
	p.calls.Done()
}

// judge takes the plugin down when its process has gone, or too many calls of an extension have
// failed in a row.
func (p *Plugin) judge(proc *process, extension contract.Extension, err error, gone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != proc {
		return
	}
	if err == nil {
		delete(p.failures, extension)
		return
	}
	p.failures[extension]++
	switch {
	case gone:
		p.current, p.why, p.since = nil, errEnded, time.Now()
	case p.failures[extension] >= mostFailures:
		p.current, p.since = nil, time.Now()
		p.why = fmt.Errorf("%d calls of its %s in a row have failed: %w", p.failures[extension], extension, err)
	default:
		return
	}
	select {
	case p.broken <- p.why:
	default:
	}
}

// told makes an error of gRPC one for people.
func (p *Plugin) told(err error, v verdict, took time.Duration) error {
	s, ok := status.FromError(err)
	switch {
	case v.hurried:
		return fmt.Errorf("no answer within the %s that there were for it", took.Round(time.Millisecond))
	case v.late:
		return fmt.Errorf("no answer within %s (timeout)", p.cfg.Timeout)
	case v.gone:
		// How a socket ends is for the operator: it names files of the machine.
		p.cfg.Logger.Warn("the connection to a plugin has ended", "plugin", p.cfg.ID, "error", p.logs.secrets.clean(s.Message()))
		return errGone
	case !ok:
		return p.logs.secrets.err(err)
	}
	// An answer that is too much is found out before it is read, which gRPC calls so.
	return errors.New(p.logs.secrets.clean(strings.TrimPrefix(s.Message(), "grpc: failed to unmarshal the received message: ")))
}
