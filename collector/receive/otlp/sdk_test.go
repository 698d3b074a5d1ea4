package otlp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	otelattr "go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// tracer is the SDK of Go as it is, configured by the environment as any program's.
func tracer(t *testing.T, endpoint string, options ...otlptracehttp.Option) *sdk.TracerProvider {
	t.Helper()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { t.Error(err) }))
	t.Cleanup(func() { otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) })
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20key")
	exporter, err := otlptracehttp.New(t.Context(), options...)
	require.NoError(t, err)
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(resource.NewSchemaless(otelattr.String("service.name", "n8n"))))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.WithoutCancel(t.Context()))) })
	return provider
}

// runWorkflow traces a run with two nodes, of which the second fails.
func runWorkflow(provider *sdk.TracerProvider, began time.Time) {
	tr := provider.Tracer("n8n-workflow")
	at := func(ms int) trace.SpanEventOption {
		return trace.WithTimestamp(began.Add(time.Duration(ms) * time.Millisecond))
	}
	ctx, root := tr.Start(context.Background(), "workflow.execute", at(0), trace.WithAttributes(
		otelattr.String("n8n.workflow.id", "wf-1"), otelattr.String("n8n.execution.id", "4711"), otelattr.Int("n8n.workflow.node_count", 2)))
	for i, name := range []string{"Fetch", "Store"} {
		_, node := tr.Start(ctx, "node.execute", at(100*i), trace.WithAttributes(otelattr.String("n8n.node.name", name), otelattr.String("n8n.node.type", "http")))
		if i == 1 {
			node.RecordError(errors.New("refused"), at(150))
			node.SetStatus(codes.Error, "")
		}
		node.End(at(100*i + 60))
	}
	root.SetAttributes(otelattr.String("n8n.execution.mode", "trigger"), otelattr.String("n8n.execution.status", "error"))
	root.RecordError(errors.New("refused"), at(250))
	root.SetStatus(codes.Error, "")
	root.End(at(250))
}

func TestSDK(t *testing.T) {
	began := time.Date(2024, 5, 31, 10, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct{ prefix, compression string }{
		"plain": {"", "none"}, "gzip": {"", "gzip"}, "prefix": {"/api/v1/otlp", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, "", nil, receive.Limits{})
			t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", tc.compression)
			provider := tracer(t, e.server.URL+tc.prefix)
			runWorkflow(provider, began)
			_, other := provider.Tracer("http").Start(t.Context(), "GET /")
			other.End()
			require.NoError(t, provider.ForceFlush(t.Context()))
			events, letters := e.stored()
			require.Empty(t, letters)
			require.Len(t, events, 4)
			byStep := map[string]event.Event{}
			for _, one := range events {
				byStep[one.Kind.String()+one.StepID+one.Status.String()] = one
			}
			done := byStep["executionfailed"]
			require.Equal(t, int64(250), done.Duration)
			require.Equal(t, "refused", done.ErrorMessage)
			require.Equal(t, "*errors.errorString", done.ErrorType)
			require.Equal(t, "n8n", done.Source)
			require.Contains(t, done.Metadata, `"n8n.execution.id":"4711"`)
			require.Equal(t, began.UnixMilli(), byStep["executionstarted"].Time)
			for step, want := range map[string]int64{"stepFetchcompleted": 0, "stepStorefailed": 100} {
				require.Equal(t, began.UnixMilli()+want, byStep[step].Time)
				require.Equal(t, int64(60), byStep[step].Duration)
				require.Equal(t, done.ID, byStep[step].ExecutionID)
			}
		})
	}
}

// troubled is a queue that is full at first, and then loses the answer of a request
// that it has taken.
type troubled struct {
	receive.Appender
	calls atomic.Int64
	lost  atomic.Bool
}

func (q *troubled) Append(ctx context.Context, records [][]byte) error {
	switch q.calls.Add(1) {
	case 1, 2:
		return queue.ErrFull
	case 3:
		q.lost.Store(true)
	}
	return q.Appender.Append(ctx, records)
}

// The SDK sends again what the full log refused, and what was taken although the
// answer got lost. Nothing is lost, and all of it counts once.
func TestSDKRetries(t *testing.T) {
	behind := serve(t, "", nil, receive.Limits{})
	q := &troubled{Appender: behind.log}
	e := serve(t, "", q, receive.Limits{})
	// What the server says to wait is cut short for the test; the rest is as it is.
	var statuses []int
	handler := e.server.Config.Handler
	e.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		recorder := &hurried{ResponseWriter: w, t: t}
		handler.ServeHTTP(recorder, req)
		if q.lost.CompareAndSwap(true, false) {
			recorder.status = http.StatusBadGateway // A proxy lost the answer.
		}
		statuses = append(statuses, recorder.status)
		recorder.flush()
	})
	provider := tracer(t, e.server.URL, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Millisecond, MaxInterval: 10 * time.Millisecond, MaxElapsedTime: time.Minute,
	}))
	runWorkflow(provider, time.Date(2024, 5, 31, 10, 0, 0, 0, time.UTC))
	require.NoError(t, provider.ForceFlush(t.Context()))
	require.GreaterOrEqual(t, len(statuses), 4)
	refused, end := statuses[:len(statuses)-2], statuses[len(statuses)-2:]
	require.Equal(t, slices.Repeat([]int{503}, len(refused)), refused)
	require.Equal(t, []int{502, 200}, end)
	events, letters := behind.stored()
	require.Empty(t, letters)
	require.Len(t, events, 8, "the lost answer brings all of it again")
	identities := map[event.Identity]int{}
	for i := range events {
		identities[events[i].Identity()]++
	}
	require.Len(t, identities, 4)
	for _, n := range identities {
		require.Equal(t, 2, n)
	}
}

// hurried holds an answer back, and takes its Retry-After away.
type hurried struct {
	http.ResponseWriter
	t      *testing.T
	status int
	body   strings.Builder
}

func (w *hurried) WriteHeader(status int) { w.status = status }

func (w *hurried) Write(b []byte) (int, error) { return w.body.Write(b) }

func (w *hurried) flush() {
	if w.status == http.StatusServiceUnavailable {
		require.Equal(w.t, "5", w.Header().Get("Retry-After"))
		w.Header().Set("Retry-After", "0")
	}
	w.ResponseWriter.WriteHeader(w.status)
	_, err := w.ResponseWriter.Write([]byte(w.body.String()))
	require.NoError(w.t, err)
}
