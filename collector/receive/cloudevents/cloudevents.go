// Package cloudevents takes CloudEvents 1.0 in: over HTTP, in the modes structured,
// batched and binary, and, in package kafka below it, from a topic.
//
//	envelope ──> dev.flowgauge.KIND.v1: the data is an event of the native format
//	             a type with a mapping: an event of what the mapping says
//	             CDEvents of runs: fragments, of which executions are made
//	             anything else: a dead letter
//
// Everything that becomes an event is written as an event of the native format and
// read by its decoder, so there is one set of rules. What the data leaves out the
// envelope says: its id, with its source in front of it, since ids of two sources may
// be the same; its time; its source.
package cloudevents

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// Path is where CloudEvents are sent.
const Path = "/api/v1/cloudevents"

// The codes of what is no good CloudEvent.
const (
	CodeUnsupportedVersion event.Code = "unsupported_version" // another specversion than 1.0
	CodeInvalidAttribute   event.Code = "invalid_attribute"   // not what the specification says
	CodeUnsupportedData    event.Code = "unsupported_data"    // data that is not said to be JSON
)

// The content types. An event in binary mode becomes a dead letter in the JSON format.
const (
	mediaEvent = "application/cloudevents+json"
	mediaBatch = "application/cloudevents-batch+json"
	prefix     = "application/cloudevents"
)

// Config is what a Protocol needs.
type Config struct {
	config.CloudEvents
	Receiver *receive.Receiver
}

// Protocol is the HTTP protocol binding, and the webhook's handshake.
type Protocol struct {
	receiver *receive.Receiver
	decoder  *Decoder
	hook     hook
}

var _ receive.Protocol = (*Protocol)(nil)

// New compiles the mappings. Its error names the first that cannot be used.
func New(c Config) (*Protocol, error) {
	d, err := NewDecoder(c.Mappings, c.Presets)
	if err != nil {
		return nil, err
	}
	h, err := newHook(&c.CloudEvents)
	if err != nil {
		return nil, err
	}
	return &Protocol{receiver: c.Receiver, decoder: d, hook: h}, nil
}

func errorAt(i int, name string, err error) error {
	return fmt.Errorf("sources.cloudevents.mappings: %q, the mapping at %d: %w", name, i, err)
}

// use switches presets on.
func (d *Decoder) use(presets []string) error {
	for _, names := range presets {
		for name := range strings.SplitSeq(names, ",") { // one text, from the environment
			switch strings.TrimSpace(name) {
			case "":
			case "cdevents":
				d.cdEvents = true
			default:
				return fmt.Errorf("sources.cloudevents.presets: there is no preset %q; there is cdevents", name)
			}
		}
	}
	return nil
}

// Register adds the endpoint to a router.
func (p *Protocol) Register(router gin.IRouter) {
	router.POST(Path, p.hook.private, p.receiver.Handle(p))
	router.OPTIONS(Path, p.hook.options)
}

// Admit takes API keys, and finds out in which mode the event is.
func (p *Protocol) Admit(req *http.Request) (receive.Principal, string, *receive.Refusal) {
	if why := p.hook.delivery(req); why != nil {
		return receive.Principal{}, "", why
	}
	who, why := p.receiver.Authenticate(req)
	if why != nil {
		return who, "", why
	}
	header := req.Header.Get("Content-Type")
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(header)), prefix) {
		media, ok := receive.MediaType(header)
		if ok && (media == mediaEvent || media == mediaBatch) {
			return who, media, nil
		}
		return who, "", unsupported("CloudEvents are taken as " + mediaEvent + ", " + mediaBatch + ", in UTF-8, or in binary mode")
	}
	if req.Header.Get("ce-specversion") == "" && req.Header.Get("ce-type") == "" && req.Header.Get("ce-id") == "" {
		return who, "", unsupported("the request is no CloudEvent: its Content-Type is not " + mediaEvent + " or " + mediaBatch + ", and it has no headers with attributes (ce-specversion, ce-type, ce-source, ce-id)")
	}
	return who, mediaEvent, nil
}

func unsupported(detail string) *receive.Refusal {
	return &receive.Refusal{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: detail}
}

// Decode yields the events.
func (p *Protocol) Decode(m receive.Message, yield event.Yield) *receive.Refusal {
	header := strings.ToLower(strings.TrimSpace(m.Request.Header.Get("Content-Type")))
	switch {
	case !strings.HasPrefix(header, prefix):
		return p.decoder.binary(m, fromHeaders(m.Request.Header, m.Body), yield)
	case m.ContentType == mediaBatch && first(m.Body) != '{': // A dead letter of a batch is one of its events.
		return p.decoder.Batch(m, yield)
	}
	return p.decoder.Structured(m, yield)
}

// Answer is that of the native format.
func (p *Protocol) Answer(_ receive.Message, o *receive.Outcome) receive.Answer {
	return receive.Receipted(o)
}
