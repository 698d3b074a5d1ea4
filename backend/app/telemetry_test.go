package app_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans is a receiver of OTLP/HTTP that keeps what it gets.
type spans struct {
	t   *testing.T
	url string

	mu  sync.Mutex
	all []*tracev1.Span
}

func newSpans(t *testing.T) *spans {
	t.Helper()
	s := &spans{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collectortrace.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			t.Errorf("not a request of OTLP: %s", r.URL)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				s.all = append(s.all, scope.Spans...)
			}
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// find waits for a span that fits.
func (s *spans) find(fits func(*tracev1.Span) bool) *tracev1.Span {
	for {
		s.mu.Lock()
		for _, one := range s.all {
			if fits(one) {
				s.mu.Unlock()
				return one
			}
		}
		s.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
	}
}

// below waits for a span of a name with a parent.
func (s *spans) below(parent []byte, name string) *tracev1.Span {
	return s.find(func(one *tracev1.Span) bool { return one.Name == name && string(one.ParentSpanId) == string(parent) })
}

var privateAt = regexp.MustCompile(`msg="serving profiles and metrics" addr=(\S+)`)

// An event's request is a span below the sender's, the append below the request;
// the batch that stores it is one above its inserts. Log lines name the trace.
func TestSpans(t *testing.T) {
	t.Parallel()
	got := newSpans(t)
	s := upAs(t, t.TempDir(), func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "FLOWGAUGE_TELEMETRY__OTLP_ENDPOINT="+got.url, "FLOWGAUGE_TELEMETRY__SAMPLE_RATIO=1",
			"FLOWGAUGE_TELEMETRY__LISTEN=:0", "FLOWGAUGE_HTTP__METRICS=false")
	})
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	send := func(path, body string) {
		req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
		req.Header.Set("Authorization", "Bearer "+s.key())
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Less(t, resp.StatusCode, 300)
	}
	send("/api/v1/events?secret=s3cret", oneEvent)
	sender, err := hex.DecodeString(parent)
	require.NoError(t, err)
	request := got.below(sender, "POST /api/v1/events")
	assert.Equal(t, trace, hex.EncodeToString(request.TraceId))
	assert.Equal(t, tracev1.Span_SPAN_KIND_SERVER, request.Kind)
	assert.NotContains(t, request.String(), "s3cret")
	stored := got.below(request.SpanId, "append")
	assert.Equal(t, request.TraceId, stored.TraceId)

	batch := got.below(nil, "store batch")
	insert := got.find(func(one *tracev1.Span) bool {
		return one.Name == "insert" && strings.Contains(one.String(), `"activity"`)
	})
	assert.Equal(t, batch.SpanId, insert.ParentSpanId)
	assert.Equal(t, batch.TraceId, insert.TraceId)
	got.below(nil, "recompute")

	send("/api/v1/analytics/query", `{"metrics":["executions"],"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"}`)
	got.below(got.below(sender, "POST /api/v1/analytics/query").SpanId, "query")
	send("/api/v1/keys", `{"name":"k","scopes":["read"]}`)
	log, err := os.ReadFile(filepath.Join(s.dir, "flowgauge.log"))
	require.NoError(t, err)
	assert.Regexp(t, `an API key was made.*trace_id=`+trace, string(log))

	at := privateAt.FindStringSubmatch(string(log))
	require.NotEmpty(t, at)
	require.True(t, strings.HasPrefix(at[1], "127.0.0.1:"), "without a host it is this machine's alone: %s", at[1])
	assert.Equal(t, http.StatusNotFound, s.status("", http.MethodGet, "/metrics", ""), "switched off there")
	for path, want := range map[string]string{"/metrics": "go_goroutines", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/healthz": "ok", "/readyz": "ok"} {
		resp, err := http.Get("http://" + at[1] + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Contains(t, string(body), want, path)
	}
}

// A receiver of spans that is away, or no such thing, is nobody's trouble.
func TestSpansGoNowhere(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://127.0.0.1:1", newNothing(t)} {
		s := upAs(t, t.TempDir(), func(cmd *exec.Cmd) {
			cmd.Env = append(cmd.Env, "FLOWGAUGE_TELEMETRY__OTLP_ENDPOINT="+url, "FLOWGAUGE_TELEMETRY__SAMPLE_RATIO=1")
		})
		for range 50 {
			assert.Equal(t, http.StatusAccepted, s.status(s.key(), http.MethodPost, "/api/v1/events", oneEvent))
		}
		s.stop()
	}
	cmd := exec.Command(program, "collector", "--data-dir", t.TempDir(), "--http", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "FLOWGAUGE_TELEMETRY__OTLP_ENDPOINT=otel:4318")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "telemetry.otlp_endpoint")
}

// newNothing answers every request with an error.
func newNothing(t *testing.T) string {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return server.URL
}
