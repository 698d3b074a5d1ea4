package app

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/telemetry"
	"github.com/flowgauge/flowgauge/backend/telemetry/span"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// observe prepares spans and the private listener.
func (a *App) observe() (err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	_, port, _ := net.SplitHostPort(a.Addr())
	a.telemetry, err = telemetry.New(context.Background(), telemetry.Config{
		Endpoint: a.cfg.Telemetry.OTLPEndpoint, SampleRatio: a.cfg.Telemetry.SampleRatio,
		Instance: net.JoinHostPort(host, port), Logger: a.log,
	})
	if err != nil {
		return err
	}
	if a.telemetry.Tracer() != nil {
		a.log = slog.New(telemetry.Handler(a.log.Handler()))
	}
	if a.cfg.Telemetry.Listen == "" {
		return nil
	}
	a.private, err = telemetry.Listen(a.cfg.Telemetry.Listen, a.metrics(), http.HandlerFunc(alive), http.HandlerFunc(a.ready))
	if err == nil {
		a.log.Info("serving profiles and metrics", "addr", a.private.Addr())
	}
	return err
}

// unobserve sends the spans that are left.
func (a *App) unobserve() {
	if a.private != nil {
		a.private.Close()
	}
	if a.telemetry == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.telemetry.Close(ctx); err != nil {
		a.log.Warn("the last spans are lost", "error", err)
	}
}

func (a *App) metrics() http.Handler {
	return promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{})
}

// alive: the process runs.
func alive(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }

// ready: it does what it is there for.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	if err := a.Ready(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(err.Error() + "\n"))
		return
	}
	alive(w, r)
}

// tracedAppender makes a span of each Append.
type tracedAppender struct {
	receive.Appender
	tracer span.Tracer
}

func (a *App) tracedLog(log receive.Appender) receive.Appender {
	if a.telemetry.Tracer() == nil {
		return log
	}
	return tracedAppender{log, a.telemetry.Tracer()}
}

// Append makes records durable.
func (t tracedAppender) Append(ctx context.Context, records [][]byte) error {
	ctx, s := span.Start(ctx, t.tracer, "append")
	s.Count("flowgauge.records", len(records))
	err := t.Appender.Append(ctx, records)
	s.End(err)
	return err
}

// tracedAnalytics makes a span of each question.
type tracedAnalytics struct {
	api.Analytics
	tracer span.Tracer
}

func (a *App) tracedQuestions(analytics api.Analytics) api.Analytics {
	if a.telemetry.Tracer() == nil {
		return analytics
	}
	return tracedAnalytics{analytics, a.telemetry.Tracer()}
}

// Do answers a question.
func (t tracedAnalytics) Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	ctx, s := span.Start(ctx, t.tracer, "query")
	res, err := t.Analytics.Do(ctx, p, r)
	if err == nil { // else it may be anything
		s.Text("flowgauge.metrics", strings.Join(r.Metrics, ","))
	}
	s.End(err)
	return res, err
}
