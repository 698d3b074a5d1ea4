package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

const (
	startTimeout = 15 * time.Second
	// lastCalls is how long calls in flight may go on when Flowgauge ends.
	lastCalls = 30 * time.Second
	// stopTimeout is how long a process has to end when it is told to.
	stopTimeout = 2 * time.Second
)

// A process is one run of a plugin.
type process struct {
	of     Installed
	cmd    *exec.Cmd
	client *plugin.Client
	conn   *grpc.ClientConn
	pid    int
	room   *room
	calls  sync.WaitGroup // those in flight
	busy   atomic.Int32   // how many they are
	heard  atomic.Int64   // when it has answered last, in nanoseconds
	began  time.Time
}

// start runs a plugin whose files are those of its manifest, and tells it its settings.
func start(ctx context.Context, of Installed, settings []byte, logs *logs) (_ *process, err error) {
	if err := of.verify(); err != nil {
		return nil, err
	}
	p := &process{of: of, began: time.Now()}
	if p.room, err = newRoom(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	p.cmd = p.command()
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  contract.Handshake,
		Plugins:          plugin.PluginSet{contract.Name: &contract.Service{}},
		Cmd:              p.cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     startTimeout,
		Logger:           logs.hclog(),
		SyncStderr:       &lineWriter{to: logs},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithStatsHandler(answers{}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(contract.MaxMessage), grpc.MaxCallSendMsgSize(contract.MaxMessage), grpc.ForceCodecV2(contract.Codec)),
			grpc.WithInitialWindowSize(contract.Window), grpc.WithInitialConnWindowSize(contract.Window),
			grpc.WithReadBufferSize(contract.Buffer), grpc.WithWriteBufferSize(contract.Buffer),
		},
	})
	protocol, err := p.client.Client()
	if err != nil {
		return nil, notStarted(err)
	}
	raw, err := protocol.Dispense(contract.Name)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	p.conn = raw.(*grpc.ClientConn)
	p.pid, _ = strconv.Atoi(p.client.ID())
	p.hear()
	return p, p.configure(ctx, settings)
}

// notStarted says in Flowgauge's words why a plugin has not started.
func notStarted(err error) error {
	text := err.Error()
	if strings.Contains(text, "exited before we could connect") || strings.Contains(text, "Failed to read any lines") {
		return errors.New("it ended before it was ready; what it wrote is in the log, before this")
	}
	return fmt.Errorf("it did not start: %w", err)
}

// command starts in the plugin's folder with an environment of the permitted variables only.
func (p *process) command() *exec.Cmd {
	args := p.of.Manifest.command()
	name := args[0]
	if local := filepath.Join(p.of.Dir, filepath.FromSlash(name)); filepath.IsLocal(filepath.FromSlash(name)) && isFile(local) {
		name = local
	}
	cmd := exec.Command(name, args[1:]...) //nolint:gosec // an administrator has installed and chosen it
	cmd.Dir = p.of.Dir
	// Python would write what it has compiled into the plugin's folder, whose files may not change.
	cmd.Env = []string{"TMPDIR=" + p.room.dir, "HOME=" + p.room.dir, "PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1"}
	for _, variable := range p.of.Manifest.Permissions.Env {
		if value, set := os.LookupEnv(variable); set {
			cmd.Env = append(cmd.Env, variable+"="+value)
		}
	}
	separate(cmd)
	return cmd
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// configure tells the plugin its settings, and makes sure that it is the one of the manifest.
func (p *process) configure(ctx context.Context, settings []byte) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	m := p.of.Manifest
	res, err := contractv1.NewPluginClient(p.conn).Configure(ctx, &contractv1.ConfigureRequest{Settings: string(settings)})
	if err != nil {
		return fmt.Errorf("its settings: %s", status.Convert(err).Message())
	}
	if res.GetId() != m.ID || res.GetVersion() != m.Version {
		return fmt.Errorf("the program says that it is %s %s, its manifest says %s %s: build the one or correct the other", res.GetId(), res.GetVersion(), m.ID, m.Version)
	}
	for _, e := range m.Extends {
		if !slices.Contains(res.GetExtends(), string(e)) {
			return fmt.Errorf("its manifest says that it extends %q, the program does not serve that", e)
		}
	}
	return nil
}

// errSilent is no answer about its health.
var errSilent = fmt.Errorf("it has not said so within %s", healthTimeout)

// hear notes a sign of life.
func (p *process) hear() { p.heard.Store(time.Now().UnixNano()) }

// atWork reports whether a process that does not say how it is may be at work instead, as one of a
// single thread is: it has calls in flight, and has not been silent for longer than one may take.
func (p *process) atWork(timeout time.Duration) bool {
	silent := time.Since(time.Unix(0, p.heard.Load()))
	return p.busy.Load() > 0 && silent < timeout+healthInterval+healthTimeout
}

// healthy asks the plugin how it is.
func (p *process) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	res, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: contract.Name})
	if err != nil {
		if ctx.Err() != nil {
			return errSilent
		}
		return errors.New(status.Convert(err).Message())
	}
	p.hear()
	if s := res.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return errors.New(s.String())
	}
	return nil
}

// retire ends a process that gets no more calls, when those in flight have ended or have had most
// of time, or when Flowgauge ends.
func (p *process) retire(ctx context.Context, most time.Duration) {
	done := make(chan struct{})
	go func() {
		p.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(most):
	case <-ctx.Done():
		within(done, min(most, lastCalls))
	}
	p.stop()
}

// stop tells the process to end, and kills it and what it has started when it does not. One that is
// frozen does not hear that it is to end, and a child that keeps its standard error open keeps
// go-plugin waiting: neither may keep Flowgauge waiting.
func (p *process) stop() {
	if p.client != nil {
		ended := make(chan struct{})
		go func() {
			p.client.Kill()
			close(ended)
		}()
		within(ended, stopTimeout)
		killAll(p.cmd)
		within(ended, stopTimeout)
	}
	p.room.leave()
}

// within waits for something to be done, but not for long.
func within(done <-chan struct{}, most time.Duration) {
	select {
	case <-done:
	case <-time.After(most):
	}
}
