// Package telemetry tells of Flowgauge's own work: spans, sent by OTLP, log lines
// that name the trace they belong to, and a listener for profiles and metrics.
//
//	request ─> append          one trace, continued from the sender's (traceparent)
//	store batch ─> inserts     one for each batch of the sink
//	recompute                  one for each recomputation of buckets
//
// A batch holds events of many requests, so its trace is its own.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/flowgauge/flowgauge/backend/telemetry/span"
)

// Config says where spans go.
type Config struct {
	// Endpoint is the URL of an OTLP/HTTP receiver, e.g. http://otel:4318; empty
	// makes no spans.
	Endpoint string
	// SampleRatio is the share of traces that begin here and are kept, 0 to 1. One
	// that a sender began is kept if the sender keeps it.
	SampleRatio float64
	Instance    string // tells the processes of one service apart
	Logger      *slog.Logger
}

// Validate reports what cannot be used.
func (c Config) Validate() error {
	if c.Endpoint != "" {
		if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("telemetry.otlp_endpoint is %q: give the URL of an OTLP/HTTP receiver, e.g. http://otel.internal:4318", c.Endpoint)
		}
	}
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
		return fmt.Errorf("telemetry.sample_ratio is %v: it is between 0 and 1", c.SampleRatio)
	}
	return nil
}

// Telemetry makes and sends spans.
type Telemetry struct {
	provider *sdk.TracerProvider
	tracer   span.Tracer
}

// New returns a Telemetry. It does not connect, and a receiver that is away is
// nobody's trouble: spans that cannot be sent are dropped.
func New(ctx context.Context, cfg Config) (*Telemetry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Endpoint == "" {
		return &Telemetry{}, nil
	}
	u, _ := url.Parse(cfg.Endpoint) // validated
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	otel.SetErrorHandler(&reporter{log: cfg.Logger})
	t := &Telemetry{provider: sdk.NewTracerProvider(
		sdk.WithBatcher(exporter, sdk.WithBatchTimeout(2*time.Second)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(cfg.SampleRatio))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "flowgauge"), attribute.String("service.instance.id", cfg.Instance),
		)),
	)}
	t.tracer = t.provider.Tracer("github.com/flowgauge/flowgauge")
	return t, nil
}

// Tracer makes spans; it is nil when they would go nowhere.
func (t *Telemetry) Tracer() span.Tracer { return t.tracer }

// Close sends what is left.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}

// propagator is how senders say which trace a request belongs to.
var propagator = propagation.TraceContext{}

// reporter logs what goes wrong with sending, once a minute at most.
type reporter struct {
	log  *slog.Logger
	last atomic.Int64
}

// Handle is called by the exporter.
func (r *reporter) Handle(err error) {
	now, last := time.Now().Unix(), r.last.Load()
	if now-last >= 60 && r.last.CompareAndSwap(last, now) {
		r.log.Warn("spans are lost", "error", err)
	}
}
