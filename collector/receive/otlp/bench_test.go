package otlp

import (
	"encoding/binary"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/event"
)

// thousand is a request of 1,000 spans, as n8n sends them: of twenty one is a run, the
// others are its nodes.
func thousand(of string) *collector.ExportTraceServiceRequest {
	var spans []*trace.Span
	for i := range 1000 {
		var s *trace.Span
		switch {
		case of == "other":
			s = aSpan("GET /things", "http.request.method", "GET", "url.path", "/things", "server.address", "api.internal", "server.port", 8080, "http.response.status_code", 200, "network.protocol.version", "1.1")
		case i%20 == 0:
			s = aSpan("workflow.execute", "n8n.workflow.id", "wf-1", "n8n.workflow.name", "Sync orders", "n8n.workflow.version_id", "e5f1c9f4-7a0c-4d5e-9a57-4c9d7f3b1a11", "n8n.workflow.node_count", 19,
				"n8n.execution.id", strconv.Itoa(i), "n8n.execution.mode", "trigger", "n8n.execution.status", "success", "n8n.execution.is_retry", false)
		default:
			s = aSpan("node.execute", "n8n.node.id", "f9e0a7f5-2d1c-4b9c-9e68-0a7d3c5b8e21", "n8n.node.name", "HTTP Request", "n8n.node.type", "n8n-nodes-base.httpRequest", "n8n.node.type_version", 4.2,
				"n8n.node.items.input", 1, "n8n.node.items.output", 25)
		}
		s.SpanId = binary.BigEndian.AppendUint64(nil, uint64(i+1))
		s.StartTimeUnixNano += uint64(i) * 1_000_000
		s.EndTimeUnixNano += uint64(i) * 1_000_000
		spans = append(spans, s)
	}
	return request(spans...)
}

// BenchmarkDecode1000 compares ways to read 1,000 spans. "wire" is what is used, from
// bytes to checked events; "library" is the least that it would take with messages of
// Google's library: to unmarshal them, into memory that is used again.
func BenchmarkDecode1000(b *testing.B) {
	for _, of := range []string{"n8n", "other"} {
		r := thousand(of)
		body, text := marshal(b, r), otlpJSON(b, r)
		p := mapper(b, "")
		count := 0
		yield := func(int, []byte, *event.Event, *event.Error) bool { count++; return true }
		run := func(name string, size int, do func()) {
			b.Run(of+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				began := cpuTime(b)
				for b.Loop() {
					do()
				}
				b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(b.N)/1000, "cpu-ns/span")
			})
		}
		run("wire", len(body), func() { require.Nil(b, p.Decode(messageOf(body), yield)) })
		run("json", len(text), func() {
			m := messageOf(text)
			m.ContentType = mediaJSON
			require.Nil(b, p.Decode(m, yield))
		})
		run("library", len(body), func() {
			var fresh collector.ExportTraceServiceRequest
			require.NoError(b, proto.Unmarshal(body, &fresh))
		})
		pool := &pooled{}
		run("library, pooled", len(body), func() { require.NoError(b, pool.read(body)) })
		require.Equal(b, of == "n8n", count > 0)
	}
}

// cpuTime is what the process has used of the processors, which others may be using too.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// pooled reads spans one by one into the same message.
type pooled struct{ span trace.Span }

func (p *pooled) read(message []byte) error {
	return eachField(message, 1, func(resourceSpans []byte) error {
		return eachField(resourceSpans, 2, func(scopeSpans []byte) error {
			return eachField(scopeSpans, 2, func(span []byte) error {
				p.span.Reset()
				return proto.UnmarshalOptions{Merge: true}.Unmarshal(span, &p.span)
			})
		})
	})
}

func eachField(message []byte, want protowire.Number, do func([]byte) error) error {
	for len(message) > 0 {
		number, _, n := protowire.ConsumeTag(message)
		data, m := protowire.ConsumeBytes(message[n:])
		message = message[n+m:]
		if number == want {
			if err := do(data); err != nil {
				return err
			}
		}
	}
	return nil
}
