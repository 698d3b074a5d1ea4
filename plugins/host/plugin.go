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

// mostFailures in a row take a plugin down: it is started anew, and meanwhile calls fail at
// once instead of each after its deadline.
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
	current  *process  // nil while it is down
	why      error     // it is down
	failures int       // of calls, in a row
	since    time.Time // it is up, or down
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
// do's too: it counts as a failure as a crash does.
func (p *Plugin) Call(ctx context.Context, extension contract.Extension, do func(ctx context.Context, conn grpc.ClientConnInterface, m *Manifest) error) error {
	proc, err := p.enter()
	if err != nil {
		p.metrics.calls.WithLabelValues(string(extension), "down").Inc()
		return err
	}
	defer proc.calls.Done()
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	began := time.Now()
	err = do(limited, proc.conn, proc.of.Manifest)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // whoever asked has gone
	}
	p.metrics.seconds.WithLabelValues(string(extension)).Observe(time.Since(began).Seconds())
	p.metrics.calls.WithLabelValues(string(extension), outcome(err)).Inc()
	gone := status.Code(err) == codes.Unavailable
	if code := status.Code(err); code == codes.InvalidArgument || code == codes.Unimplemented {
		p.judge(proc, nil, false) // it works; what it was asked was wrong
		return &RefusedError{ID: p.cfg.ID, Message: cut(status.Convert(err).Message()), Unimplemented: code == codes.Unimplemented}
	}
	if err != nil {
		err = &FailedError{ID: p.cfg.ID, Why: p.told(err), Late: status.Code(err) == codes.DeadlineExceeded, Gone: gone}
	}
	p.judge(proc, err, gone)
	return err
}

// enter gives the process and counts a call in flight.
func (p *Plugin) enter() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return nil, &DownError{ID: p.cfg.ID, Why: p.why}
	}
	p.current.calls.Add(1)
	return p.current, nil
}

// judge takes the plugin down when its process has gone, or too many calls in a row have failed.
func (p *Plugin) judge(proc *process, err error, gone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != proc {
		return
	}
	if err == nil {
		p.failures = 0
		return
	}
	p.failures++
	switch {
	case gone:
		p.current, p.why, p.since = nil, errEnded, time.Now()
	case p.failures >= mostFailures:
		p.current, p.since = nil, time.Now()
		p.why = fmt.Errorf("%d calls in a row have failed: %w", p.failures, err)
	default:
		return
	}
	select {
	case p.broken <- p.why:
	default:
	}
}

// told makes an error of gRPC one for people.
func (p *Plugin) told(err error) error {
	s, ok := status.FromError(err)
	switch {
	case !ok:
		return err
	case s.Code() == codes.DeadlineExceeded:
		return fmt.Errorf("no answer within %s (timeout)", p.cfg.Timeout)
	case s.Code() == codes.Unavailable:
		// How a socket ends is for the operator: it names files of the machine.
		p.cfg.Logger.Warn("the connection to a plugin has ended", "plugin", p.cfg.ID, "error", cut(s.Message()))
		return errGone
	}
	return errors.New(cut(s.Message()))
}

// cut keeps what a plugin says of itself to a length that a person reads.
func cut(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func outcome(err error) string {
	switch status.Code(err) {
	case codes.OK:
		return "ok"
	case codes.DeadlineExceeded:
		return "timeout"
	case codes.Unavailable:
		return "gone"
	case codes.InvalidArgument, codes.Unimplemented:
		return "refused"
	}
	return "error"
}
