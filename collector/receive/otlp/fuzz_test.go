package otlp

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// The fuzzer's mappings take nearly every span, and nearly every field from it.
const takeAll = `
mappings:
  - {event: step, match: {attributes: {a: "x*y"}}, fields: {dependsOn: "{b}", creditsUsed: "{c}", queuedTime: "{d}", inputSize: "{e}", stepType: "{$*}-{$exception.type}"}}
  - {event: cost, match: {attributes: {c: "*"}}, metadata: all, fields: {credits: "{c}", executionId: "{$parent}"}}
  - {event: execution, match: {span: "*", resource: {service.name: "*"}}, fields: {errorMessage: "{$exception.message}", workflowId: ["{$name}", w]}}
  - {event: activity, match: {scope: "*i*"}, fields: {action: "{$message}", metadata: "{b}"}, status: {from: "{$trace}{$span_id}{$parent_id}", ignored: [x]}}
`

func seeds(t testing.TB) []*collector.ExportTraceServiceRequest {
	t.Helper()
	rich := exception(failed(aSpan("work", "flowgauge.kind", "step", "a", "xéy", "b", []any{"p", attrs("k", 1.5)}, "c", 0.25, "d", "2024-05-31 10:00:00+00:00", "e", 7, "f", []byte{1}, "g", true), "m"), "T", "E")
	return []*collector.ExportTraceServiceRequest{
		{},
		request(),
		request(rich),
		request(aSpan("dag_run.x", "airflow.dag_id", "d", "airflow.dag_run.run_id", "r"), aSpan("node.execute", "n8n.node.name", "n")),
		{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{{}}}}}}},
	}
}

// check asserts what holds of any request: nothing is yielded that the log may not
// have, and a span is either taken or rejected.
func check(t *testing.T, p *Protocol, contentType string, body []byte) decoded {
	var out decoded
	last, rejected := -1, false
	out.refusal = p.Decode(receive.Message{Who: acme, ContentType: contentType, Body: body, MaxEvents: 1000}, func(index int, raw []byte, e *event.Event, err *event.Error) bool {
		require.GreaterOrEqual(t, index, last)
		require.False(t, rejected && index == last, "a rejected span has no events")
		last, rejected = index, err != nil
		if err != nil {
			require.NotEmpty(t, err.Code)
			require.NotEmpty(t, err.Message)
			require.True(t, utf8.ValidString(err.Message))
			out.faults, out.letters = append(out.faults, *err), append(out.letters, raw)
			return true
		}
		require.Nil(t, event.Validate(e))
		require.Equal(t, "acme", e.Tenant)
		if e.Metadata != "" {
			require.True(t, json.Valid([]byte(e.Metadata)))
		}
		record := event.AppendBinary(nil, e)
		var back event.Event
		require.NoError(t, event.DecodeBinary(record, &back))
		out.events = append(out.events, *e)
		return true
	})
	return out
}

// again asserts that dead letters are rejected again, for the same reasons.
func again(t *testing.T, p *Protocol, contentType string, out decoded) {
	for i, letter := range out.letters {
		if len(letter) > maxContext {
			continue // It may have lost its resource, and so its mapping.
		}
		once := p.decode(contentType, letter)
		require.Nil(t, once.refusal)
		require.Equal(t, out.faults[i:i+1], once.faults)
	}
}

// FuzzProtobuf decodes any bytes. What Google's library reads is read, and becomes the
// same as when the library writes it anew, in protobuf or in JSON.
func FuzzProtobuf(f *testing.F) {
	for _, r := range seeds(f) {
		f.Add(marshal(f, r))
	}
	p := mapper(f, takeAll)
	f.Fuzz(func(t *testing.T, body []byte) {
		out := check(t, p, mediaProtobuf, body)
		again(t, p, mediaProtobuf, out)
		var r collector.ExportTraceServiceRequest
		if proto.Unmarshal(body, &r) != nil {
			return
		}
		require.True(t, out.refusal == nil || out.refusal.Code == event.CodeTooManyEvents, "%v", out.refusal)
		written, err := proto.Marshal(&r)
		require.NoError(t, err)
		anew := check(t, p, mediaProtobuf, written)
		require.Equal(t, out.refusal == nil, anew.refusal == nil)
		text := check(t, p, mediaJSON, otlpJSON(t, &r))
		require.Equal(t, anew.refusal, text.refusal)
		if anew.refusal == nil {
			require.Equal(t, anew.events, text.events)
			require.Equal(t, anew.faults, text.faults)
		}
	})
}

// FuzzJSON decodes any text. What is not JSON is refused, and only that or what is no
// request.
func FuzzJSON(f *testing.F) {
	for _, r := range seeds(f) {
		f.Add(otlpJSON(f, r))
	}
	p := mapper(f, takeAll)
	f.Fuzz(func(t *testing.T, body []byte) {
		out := check(t, p, mediaJSON, body)
		if !json.Valid(body) {
			require.Equal(t, event.CodeMalformedJSON, out.refusal.Code)
			return
		}
		for _, letter := range out.letters {
			require.True(t, json.Valid(letter))
		}
		again(t, p, mediaJSON, out)
	})
}
