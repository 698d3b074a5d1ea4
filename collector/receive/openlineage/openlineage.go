// Package openlineage takes OpenLineage's events, of its specification 1-0-0 to 2-0-2.
//
//	POST /api/v1/lineage         one event
//	POST /api/v1/lineage/batch   an array of events, each of which may fail
//
// A run event says how a run is doing; none of them is a whole execution or step.
// Each becomes a fragment, and package gather makes events of all that are known of a
// run: an execution of one that has no parent, a step of any other. Events about jobs
// and datasets say nothing about what ran, and are answered as if they had been kept.
package openlineage

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// The paths are those to which OpenLineage's clients send by default.
const (
	Path      = "/api/v1/lineage"
	BatchPath = Path + "/batch"
)

// Config says how runs are read.
type Config struct {
	// JobNamespace makes the namespace of a job a part of the workflow's id.
	JobNamespace bool
}

// Endpoint is the protocol of one of the two paths.
type Endpoint struct {
	receiver *receive.Receiver
	cfg      Config
	batch    bool
}

// New returns the protocol of Path.
func New(r *receive.Receiver, cfg Config) *Endpoint { return &Endpoint{receiver: r, cfg: cfg} }

// NewBatch returns the protocol of BatchPath.
func NewBatch(r *receive.Receiver, cfg Config) *Endpoint {
	return &Endpoint{receiver: r, cfg: cfg, batch: true}
}

const mediaJSON = "application/json"

// Admit takes API keys, and JSON.
func (p *Endpoint) Admit(req *http.Request) (receive.Principal, string, *receive.Refusal) {
	who, why := p.receiver.Authenticate(req)
	if why != nil {
		return who, "", why
	}
	header := req.Header.Get("Content-Type")
	if media, ok := receive.MediaType(header); strings.TrimSpace(header) != "" && (!ok || media != mediaJSON) {
		return who, "", &receive.Refusal{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: "Content-Type must be application/json, in UTF-8",
		}
	}
	return who, mediaJSON, nil
}

// Decode makes fragments of run events.
func (p *Endpoint) Decode(m receive.Message, yield event.Yield) *receive.Refusal {
	if !m.Reserve(len(m.Body)) { // what is used of the body is copied out of it
		return receive.Overloaded
	}
	if !p.batch || m.Replayed && bytes.HasPrefix(bytes.TrimSpace(m.Body), []byte("{")) { // A dead letter of a batch is one of its events.
		if !json.Valid(m.Body) {
			return malformed("the body is not JSON")
		}
		p.one(m, 0, m.Body, yield)
		return nil
	}
	var events []json.RawMessage
	if err := json.Unmarshal(m.Body, &events); err != nil {
		return malformed("the body must be an array of events: " + err.Error())
	}
	if m.MaxEvents > 0 && len(events) > m.MaxEvents {
		return &receive.Refusal{
			Status: http.StatusRequestEntityTooLarge, Code: event.CodeTooManyEvents,
			Detail: "more than " + strconv.Itoa(m.MaxEvents) + " events in one request; send them in parts",
		}
	}
	for i, raw := range events {
		if !p.one(m, i, raw, yield) {
			break
		}
	}
	return nil
}

func malformed(detail string) *receive.Refusal {
	return &receive.Refusal{Status: http.StatusBadRequest, Code: event.CodeMalformedJSON, Detail: detail, Keep: true}
}

// one keeps what an event says, or what is wrong with it. It returns false to stop.
func (p *Endpoint) one(m receive.Message, index int, raw []byte, yield event.Yield) bool {
	f, run, fault := p.cfg.read(raw)
	if fault == nil && !run {
		m.Ignore()
		return true
	}
	f.Tenant, f.Source = m.Who.Tenant, source
	if fault == nil {
		fault = event.ValidateFragment(&f)
	}
	if fault == nil {
		return m.Fragment(&f)
	}
	return yield(index, raw, &event.Event{ID: f.Run, Source: source}, fault)
}

const source = "openlineage"
