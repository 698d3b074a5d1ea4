package cloudevents

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
)

// outcome is what became of a message.
type outcome struct {
	events    []event.Event
	fragments []event.Fragment
	faults    []event.Error
	letters   []string
	ignored   int
	refusal   *receive.Refusal
}

func (o *outcome) message(body []byte) (receive.Message, event.Yield) {
	m := receive.Message{
		Who: receive.Principal{Tenant: "acme"}, Body: body, MaxEvents: 1000,
		Fragment: func(f *event.Fragment) bool { o.fragments = append(o.fragments, *f); return true },
		Ignore:   func() { o.ignored++ },
	}
	return m, func(_ int, raw []byte, e *event.Event, err *event.Error) bool {
		if err != nil {
			o.faults, o.letters = append(o.faults, *err), append(o.letters, string(raw))
		} else {
			o.events = append(o.events, *e)
			last := &o.events[len(o.events)-1].DependsOn
			*last = append([]string(nil), *last...) // it is used again
		}
		return true
	}
}

func (d *Decoder) structured(body string) (o outcome) {
	m, yield := o.message([]byte(body))
	o.refusal = d.Structured(m, yield)
	return o
}

func (d *Decoder) batch(body string) (o outcome) {
	m, yield := o.message([]byte(body))
	o.refusal = d.Batch(m, yield)
	return o
}

func (d *Decoder) headers(header http.Header, body string) (o outcome) {
	m, yield := o.message([]byte(body))
	o.refusal = d.binary(m, fromHeaders(header, m.Body), yield)
	return o
}

func decoder(t testing.TB, yaml string) *Decoder {
	t.Helper()
	mappings, err := config.EventMappings([]byte(yaml))
	require.NoError(t, err)
	d, err := NewDecoder(mappings, []string{"cdevents"})
	require.NoError(t, err)
	return d
}

// serve serves the protocol in front of a real log.
func serve(t testing.TB, c config.CloudEvents) *receivetest.Endpoint {
	t.Helper()
	return receivetest.Serve(t, func(r *receive.Receiver) map[string]receive.Protocol {
		p, err := New(Config{CloudEvents: c, Receiver: r})
		require.NoError(t, err)
		return map[string]receive.Protocol{Path: p}
	})
}

var key = []string{"Authorization", "Bearer " + receivetest.Key}

// a is an activity, as it comes of data without anything that the envelope says.
func a(e event.Event) event.Event {
	e.Kind, e.Tenant, e.PreviousTime, e.EndTime, e.QueuedTime = event.KindActivity, "acme", event.NoTime, event.NoTime, event.NoTime
	if e.Source == "" {
		e.Source = "/crm"
	}
	if e.Action == "" {
		e.Action = "login"
	}
	return e
}

const (
	at    = int64(1717149600000) // 2024-05-31T10:00:00Z
	large = 64 << 10
)

func pad(n int) string { return string(bytes.Repeat([]byte("x"), n)) }
