package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans is an OTLP request, in protobuf, that becomes a new one as a template does:
// ids and times have a fixed width there too.
type spans struct {
	text   []byte
	traces []int // where a trace id begins
	ids    []int // where eight hexadecimal digits of an execution's id begin
	times  []int
	offset []int64 // nanoseconds before now
}

const spansOfATrace = 10

var executionPattern = regexp.MustCompile(`ex-[0-9a-f]{16}`)

// newSpans returns requests of traces as n8n sends them: a workflow and its nodes.
func newSpans(requests, each int) ([]*spans, error) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same spans each time
	var out []*spans
	for range requests {
		s, err := newRequest(random, each/spansOfATrace)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func newRequest(random *rand.Rand, traces int) (*spans, error) {
	s := &spans{}
	scope := &trace.ScopeSpans{Scope: &common.InstrumentationScope{Name: "n8n-tracer"}}
	var ids [][]byte
	times := map[uint64]int64{}
	at := func() uint64 { // a nanosecond that no other time of the request has
		offset := random.Int64N(int64(span))
		t := uint64(time.Now().UnixNano() - offset)
		times[t] = offset
		return t
	}
	for range traces {
		id := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, random.Uint64()), random.Uint64())
		ids = append(ids, id)
		root := binary.BigEndian.AppendUint64(nil, random.Uint64())
		execution := fmt.Sprintf("ex-%016x", random.Uint64())
		workflow := strconv.Itoa(random.IntN(300))
		for i := range spansOfATrace {
			start := at()
			sp := &trace.Span{
				TraceId: id, SpanId: root, Name: "workflow.execute", Kind: trace.Span_SPAN_KIND_INTERNAL, StartTimeUnixNano: start,
				EndTimeUnixNano: at(), Status: &trace.Status{Code: trace.Status_STATUS_CODE_OK},
				Attributes: []*common.KeyValue{text("n8n.workflow.id", workflow), text("n8n.workflow.name", "workflow "+workflow), text("n8n.execution.id", execution), text("n8n.execution.mode", "trigger"), text("n8n.execution.status", "success")},
			}
			if i > 0 {
				sp.Name, sp.SpanId, sp.ParentSpanId = "node.execute", binary.BigEndian.AppendUint64(nil, random.Uint64()), root
				node := "node " + strconv.Itoa(i)
				sp.Attributes = []*common.KeyValue{text("n8n.workflow.id", workflow), text("n8n.execution.id", execution), text("n8n.node.id", node), text("n8n.node.name", node), text("n8n.node.type", "n8n-nodes-base.httpRequest")}
			}
			if sp.EndTimeUnixNano < sp.StartTimeUnixNano {
				sp.StartTimeUnixNano, sp.EndTimeUnixNano = sp.EndTimeUnixNano, sp.StartTimeUnixNano
			}
			scope.Spans = append(scope.Spans, sp)
		}
	}
	var err error
	s.text, err = proto.Marshal(&coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{text("service.name", "n8n")}},
		ScopeSpans: []*trace.ScopeSpans{scope},
	}}})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		s.traces = append(s.traces, every(s.text, id)...)
	}
	for t, offset := range times {
		for _, i := range every(s.text, binary.LittleEndian.AppendUint64(nil, t)) {
			s.times, s.offset = append(s.times, i), append(s.offset, offset)
		}
	}
	for _, m := range executionPattern.FindAllIndex(s.text, -1) {
		s.ids = append(s.ids, m[0]+len("ex-"))
	}
	return s, nil
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// every returns where b occurs in a text.
func every(in, b []byte) (out []int) {
	for at := 0; ; {
		i := bytes.Index(in[at:], b)
		if i < 0 {
			return out
		}
		out = append(out, at+i)
		at += i + len(b)
	}
}

// next writes the next request of its kind behind dst.
func (s *spans) next(dst []byte) []byte {
	dst = append(dst[:0], s.text...)
	pass := passes.Add(1)
	for _, at := range s.traces {
		binary.BigEndian.PutUint32(dst[at:], pass)
	}
	digits := passDigits(pass)
	for _, at := range s.ids {
		copy(dst[at:], digits[:])
	}
	now := time.Now().UnixNano()
	for i, at := range s.times {
		binary.LittleEndian.PutUint64(dst[at:], uint64(now-s.offset[i]))
	}
	return dst
}
