package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/access/certs"
)

// listen takes the address and reads the certificate.
func (a *App) listen() (err error) {
	a.listener, err = net.Listen("tcp", a.cfg.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("http.listen: %w: choose another address with --http HOST:PORT", err)
	}
	a.inner = newPipes()
	t := a.cfg.HTTP.TLS
	files := certs.Server{CertFile: t.CertFile, KeyFile: t.KeyFile, ClientCAFile: t.ClientCAFile, ClientAuth: t.ClientAuth, MinVersion: t.MinVersion}
	if err := files.Validate(); err != nil {
		return fmt.Errorf("http.tls: %w", err)
	}
	if t.CertFile == "" {
		return nil
	}
	if a.certificate, err = certs.NewReloader(files, a.log); err != nil {
		return fmt.Errorf("http.tls: %w", err)
	}
	return a.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "flowgauge_http_certificate_expiry_timestamp_seconds", Help: "When the certificate of the listener ends, as Unix time.",
	}, func() float64 { return float64(a.certificate.Expires().Unix()) }))
}

// URL is where HTTP is served.
func (a *App) URL() string {
	if a.certificate != nil {
		return "https://" + a.Addr()
	}
	return "http://" + a.Addr()
}

// Client returns a client for this process's own requests, which need no
// certificate: they never leave it.
func (a *App) Client() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return a.inner.dial(ctx) }
	return &http.Client{Transport: &http.Transport{DialContext: dial, DialTLSContext: dial, MaxIdleConnsPerHost: 8}}
}

// serve answers requests until ctx ends; those under way may end then.
func (a *App) serve(ctx context.Context, handler http.Handler) error {
	server := newServer(handler, a.log)
	ended := make(chan error, 2)
	go func() {
		if a.certificate == nil {
			ended <- server.Serve(a.listener)
			return
		}
		server.TLSConfig = a.certificate.TLS()
		ended <- server.ServeTLS(a.listener, "", "")
	}()
	inner := newServer(handler, a.log)
	go func() { ended <- inner.Serve(a.inner) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	a.rest.CloseStreams()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, s := range []*http.Server{server, inner} {
		if err := s.Shutdown(stopping); err != nil {
			_ = s.Close()
		}
	}
	return nil
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(handshakes{log.Handler()}, slog.LevelWarn),
	}
}

// handshakes is a handler for the HTTP server's own messages. Handshakes that
// fail are the clients' trouble, and any port scanner makes hundreds.
type handshakes struct{ slog.Handler }

func (h handshakes) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "http: TLS handshake error") {
		r.Level = slog.LevelDebug
		if !h.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}

// pipes is a listener that only this process can reach.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept returns the next connection.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr names the listener.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "in-process", Net: "pipe"} }
