// Package otlp takes OpenTelemetry traces in over HTTP and makes events of those
// spans that are of workflows: OTLP/HTTP as opentelemetry-proto specifies it, with
// protobuf and JSON bodies.
//
//	request ─> resource ─> scope ─> span ──mapping──> execution (started, terminal)
//	                                  │               step, cost, activity
//	                                  └─ no mapping: ignored, and counted
//
// Mappings are stateless. A span arrives alone, often before its parent and in another
// request, so an event is made of one span, and what ties a step to its execution is
// what both spans know: an attribute, or the id of the one that the other has as its
// parent. Ids come from the spans, so that a request that is sent again counts once.
//
// Bodies are read in place: a message is a view of the body, a text that an event
// takes over is too, and what was put together lies in a few pieces of memory for the
// whole request. JSON is turned into protobuf span by span, so that there is one
// reader.
package otlp

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// Paths are where traces are sent: the path that SDKs append to an endpoint, and the
// same behind a prefix, for OTEL_EXPORTER_OTLP_ENDPOINT=https://host/api/v1/otlp.
var Paths = []string{"/v1/traces", "/api/v1/otlp/v1/traces"}

const (
	mediaProtobuf = "application/x-protobuf"
	mediaJSON     = "application/json"
)

// CodeMalformedProtobuf is of a request that is no protobuf message.
const CodeMalformedProtobuf event.Code = "malformed_protobuf"

// Config is what a Protocol needs.
type Config struct {
	Receiver   *receive.Receiver
	Presets    []string
	Mappings   []config.SpanMapping  // looked at before the presets'
	Registerer prometheus.Registerer // none if nil
}

// Protocol is OTLP/HTTP for traces.
type Protocol struct {
	receiver *receive.Receiver
	decoders *sync.Pool
	spans    [3]prometheus.Counter // by outcome
}

var _ receive.Protocol = (*Protocol)(nil)

// New compiles the mappings. Its error names the first that cannot be used.
func New(c Config) (*Protocol, error) {
	mappings := c.Mappings
	for _, names := range c.Presets {
		for name := range strings.SplitSeq(names, ",") { // one text, from the environment
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			preset, err := Preset(name)
			if err != nil {
				return nil, fmt.Errorf("sources.otlp.presets: %w", err)
			}
			mappings = append(mappings[:len(mappings):len(mappings)], preset...)
		}
	}
	s := &slots{}
	rules := make([]*rule, 0, len(mappings))
	for i := range mappings {
		r, err := compileRule(&mappings[i], s)
		if err != nil {
			return nil, fmt.Errorf("sources.otlp.mappings: %q, the mapping at %d: %w", mappings[i].Name, i, err)
		}
		rules = append(rules, r)
	}
	p := &Protocol{receiver: c.Receiver, decoders: newDecoders(rules, s)}
	return p, p.register(c.Registerer)
}

// What becomes of spans.
const (
	mapped = iota
	ignored
	rejected
)

func (p *Protocol) register(r prometheus.Registerer) error {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "flowgauge_otlp_spans_total",
		Help: "Spans received, by what became of them: mapped to events, ignored because no mapping is for them, rejected. Those that are sent again are counted again.",
	}, []string{"outcome"})
	for i, outcome := range [...]string{mapped: "mapped", ignored: "ignored", rejected: "rejected"} {
		p.spans[i] = spans.WithLabelValues(outcome)
	}
	if r == nil {
		return nil
	}
	if err := r.Register(spans); err != nil {
		return fmt.Errorf("register metric: %w", err)
	}
	return nil
}

// Register adds the endpoints to a router.
func (p *Protocol) Register(router gin.IRouter) {
	for _, path := range Paths {
		router.POST(path, p.receiver.Handle(p))
	}
}

// Admit takes API keys, and a content type.
func (p *Protocol) Admit(req *http.Request) (receive.Principal, string, *receive.Refusal) {
	media, ok := receive.MediaType(req.Header.Get("Content-Type"))
	who, why := p.receiver.Authenticate(req)
	if why != nil {
		return who, media, why
	}
	if !ok || media != mediaProtobuf && media != mediaJSON {
		return who, media, &receive.Refusal{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type",
			Detail: "Content-Type must be application/x-protobuf or application/json",
		}
	}
	return who, media, nil
}

// Decode yields the events of the spans.
func (p *Protocol) Decode(m receive.Message, yield event.Yield) *receive.Refusal {
	d := p.decoders.Get().(*decoder)
	d.start(m, yield)
	if m.ContentType == mediaJSON {
		d.requestJSON(m.Body)
	} else {
		d.request(m.Body)
	}
	why := d.refusal
	p.spans[mapped].Add(float64(d.mapped))
	p.spans[ignored].Add(float64(d.ignored))
	p.spans[rejected].Add(float64(d.rejected))
	d.reset()
	p.decoders.Put(d)
	return why
}

func tooMany(most int) *receive.Refusal {
	return &receive.Refusal{
		Status: http.StatusRequestEntityTooLarge, Code: event.CodeTooManyEvents,
		Detail: fmt.Sprintf("the spans are more than %d events; export them in smaller batches", most),
	}
}
