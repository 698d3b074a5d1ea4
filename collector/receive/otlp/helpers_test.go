package otlp

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/collector/receive"
)

var allPresets = []string{"flowgauge,n8n", "cicd", "airflow"}

// mappings reads mappings from YAML, as in the configuration.
func mappings(t testing.TB, text string) []config.SpanMapping {
	t.Helper()
	out, err := config.SpanMappings([]byte(text))
	require.NoError(t, err)
	return out
}

// mapper is a protocol without an endpoint.
func mapper(t testing.TB, yaml string) *Protocol {
	t.Helper()
	p, err := New(Config{Presets: allPresets, Mappings: mappings(t, yaml)})
	require.NoError(t, err)
	return p
}

type decoded struct {
	events  []event.Event
	faults  []event.Error
	letters [][]byte
	refusal *receive.Refusal
}

var acme = receive.Principal{Tenant: "acme", KeyID: "k"}

func (p *Protocol) decode(contentType string, body []byte) decoded {
	var out decoded
	out.refusal = p.Decode(receive.Message{Who: acme, ContentType: contentType, Body: body, MaxEvents: 50_000},
		func(_ int, raw []byte, e *event.Event, err *event.Error) bool {
			if err != nil {
				out.faults = append(out.faults, *err)
				out.letters = append(out.letters, raw)
				return true
			}
			out.events = append(out.events, *e)
			return true
		})
	return out
}

// export decodes spans of one resource and scope.
func (p *Protocol) export(t testing.TB, spans ...*trace.Span) decoded {
	t.Helper()
	out := p.decode(mediaProtobuf, marshal(t, request(spans...)))
	require.Nil(t, out.refusal)
	return out
}

func request(spans ...*trace.Span) *collector.ExportTraceServiceRequest {
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: attrs("service.name", "billing", "host.name", "h1")},
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "lib"}, Spans: spans}},
	}}}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return b
}

// attrs makes attributes of names and values in turn.
func attrs(of ...any) []*common.KeyValue {
	var out []*common.KeyValue
	for i := 0; i < len(of); i += 2 {
		out = append(out, &common.KeyValue{Key: of[i].(string), Value: anyValue(of[i+1])})
	}
	return out
}

func anyValue(v any) *common.AnyValue {
	switch v := v.(type) {
	case string:
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v}}
	case bool:
		return &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: v}}
	case int:
		return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(v)}}
	case float64:
		return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: v}}
	case []byte:
		return &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: v}}
	case []any:
		array := &common.ArrayValue{}
		for _, e := range v {
			array.Values = append(array.Values, anyValue(e))
		}
		return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: array}}
	case []*common.KeyValue:
		return &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: v}}}
	}
	return &common.AnyValue{}
}

const (
	traceHex = "0102030405060708090a0b0c0d0e0f10"
	spanHex  = "1112131415161718"
	rootHex  = "2122232425262728"
	start    = 1717149600000123456 // 2024-05-31T10:00:00.000123456Z
	second   = 1_000_000_000
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// aSpan takes 1.5 s.
func aSpan(name string, attributes ...any) *trace.Span {
	return &trace.Span{
		TraceId: unhex(traceHex), SpanId: unhex(spanHex), ParentSpanId: unhex(rootHex), Name: name, Kind: trace.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: start, EndTimeUnixNano: start + 1_500_000_000, Attributes: attrs(attributes...),
	}
}

func failed(s *trace.Span, message string) *trace.Span {
	s.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: message}
	return s
}

func exception(s *trace.Span, kind, message string) *trace.Span {
	s.Events = append(s.Events, &trace.Span_Event{Name: "exception", Attributes: attrs("exception.type", kind, "exception.message", message)})
	return s
}

// endpoint is a real handler in front of a queue.
type endpoint struct {
	t        testing.TB
	server   *httptest.Server
	log      *wal.Log
	registry *prometheus.Registry
}

func serve(t testing.TB, yaml string, q receive.Appender, limits receive.Limits) *endpoint {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	e := &endpoint{t: t, registry: prometheus.NewRegistry()}
	if q == nil {
		var err error
		e.log, err = wal.New(wal.Options{Dir: t.TempDir()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.log.Close()) })
		q = e.log
	}
	auth := func(req *http.Request) (receive.Principal, error) {
		if req.Header.Get("Authorization") != "Bearer key" {
			return receive.Principal{}, receive.ErrUnauthenticated
		}
		return acme, nil
	}
	receiver, err := receive.New(receive.Config{Queue: q, Auth: auth, Limits: limits})
	require.NoError(t, err)
	p, err := New(Config{Receiver: receiver, Presets: allPresets, Mappings: mappings(t, yaml), Registerer: e.registry})
	require.NoError(t, err)
	router := gin.New()
	p.Register(router)
	e.server = httptest.NewServer(router)
	t.Cleanup(e.server.Close)
	return e
}

func (e *endpoint) post(path, contentType string, body []byte, headers ...string) (*http.Response, []byte) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.server.URL+path, bytes.NewReader(body))
	require.NoError(e.t, err)
	req.Header.Set("Authorization", "Bearer key")
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := e.server.Client().Do(req)
	require.NoError(e.t, err)
	defer func() { require.NoError(e.t, res.Body.Close()) }()
	answer, err := io.ReadAll(res.Body)
	require.NoError(e.t, err)
	return res, answer
}

// stored returns what is in the log since the last call.
func (e *endpoint) stored() (events []event.Event, letters []event.DeadLetter) {
	e.t.Helper()
	for range e.log.Stats().Pending {
		records, err := e.log.Fetch(e.t.Context(), 1)
		require.NoError(e.t, err)
		switch event.RecordType(records[0].Data) {
		case event.RecordEvent:
			var one event.Event
			require.NoError(e.t, event.DecodeBinary(records[0].Data, &one))
			events = append(events, one)
		case event.RecordDeadLetter:
			var l event.DeadLetter
			require.NoError(e.t, event.DecodeDeadLetter(records[0].Data, &l))
			letters = append(letters, l)
		}
	}
	require.NoError(e.t, e.log.Commit(e.t.Context()))
	return events, letters
}

func messageOf(body []byte) receive.Message {
	return receive.Message{Who: acme, ContentType: mediaProtobuf, Body: body, MaxEvents: 50_000}
}
