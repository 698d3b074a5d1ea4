package telemetry_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/telemetry"
	"github.com/flowgauge/flowgauge/backend/telemetry/span"
)

func TestValidate(t *testing.T) {
	for want, cfg := range map[string]telemetry.Config{
		"otlp_endpoint": {Endpoint: "otel:4318"}, "sample_ratio": {SampleRatio: 1.5},
	} {
		_, err := telemetry.New(t.Context(), cfg)
		require.ErrorContains(t, err, want)
	}
	off, err := telemetry.New(t.Context(), telemetry.Config{})
	require.NoError(t, err)
	assert.Nil(t, off.Tracer())
	require.NoError(t, off.Close(t.Context()))
}

func TestLinesNameTheirTrace(t *testing.T) {
	on, err := telemetry.New(t.Context(), telemetry.Config{Endpoint: "http://127.0.0.1:1", SampleRatio: 1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var out strings.Builder
	log := slog.New(telemetry.Handler(slog.NewTextHandler(&out, nil))).With("a", 1).WithGroup("g")
	ctx, s := span.Start(t.Context(), on.Tracer(), "x")
	log.InfoContext(ctx, "in")
	assert.Contains(t, out.String(), "trace_id="+s.SpanContext().TraceID().String())
	s.End(nil)
	out.Reset()
	log.InfoContext(t.Context(), "out")
	assert.NotContains(t, out.String(), "trace_id")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = on.Close(ended)
}

// Without a tracer a span is free.
func TestNoTracerAllocatesNothing(t *testing.T) {
	ctx := t.Context()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		inner, s := span.Start(ctx, nil, "x")
		s.Count("n", 1)
		s.Text("t", "x")
		s.End(inner.Err())
	}))
}

// BenchmarkMiddleware is what a request costs more with spans.
func BenchmarkMiddleware(b *testing.B) {
	gin.SetMode(gin.ReleaseMode)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	for name, ratio := range map[string]float64{"off": -1, "none kept": 0, "all kept": 1} {
		b.Run(name, func(b *testing.B) {
			router := gin.New()
			if ratio >= 0 {
				on, err := telemetry.New(b.Context(), telemetry.Config{Endpoint: receiver.URL, SampleRatio: ratio, Logger: slog.New(slog.DiscardHandler)})
				require.NoError(b, err)
				defer func() { _ = on.Close(context.Background()) }()
				router.Use(on.Middleware())
			}
			router.POST("/x", func(*gin.Context) {})
			r, w := httptest.NewRequest(http.MethodPost, "/x", nil), httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				router.ServeHTTP(w, r)
			}
		})
	}
}
