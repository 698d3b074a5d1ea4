package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof" // #nosec G108 -- what it registers by itself is served nowhere
	"time"
)

// Private is a listener for those who run Flowgauge: profiles, metrics, health.
type Private struct {
	listener net.Listener
	server   *http.Server
}

// Listen takes an address. Without a host it is this machine's alone: profiles
// show what is in memory.
func Listen(addr string, metrics, healthz, readyz http.Handler) (*Private, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("telemetry.listen is %q: give HOST:PORT, e.g. 127.0.0.1:6060", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.Handle("GET /healthz", healthz)
	mux.Handle("GET /readyz", readyz)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	// Not cmdline: it would be a way to read what others may not.
	p := &Private{server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}}
	if p.listener, err = net.Listen("tcp", net.JoinHostPort(host, port)); err != nil {
		return nil, fmt.Errorf("telemetry.listen: %w", err)
	}
	return p, nil
}

// Addr is where it listens.
func (p *Private) Addr() string { return p.listener.Addr().String() }

// Run serves until ctx ends.
func (p *Private) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.server.Close() })
	defer stop()
	if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve telemetry: %w", err)
	}
	return nil
}

// Close gives the address back where Run was never called.
func (p *Private) Close() { _ = p.listener.Close() }
