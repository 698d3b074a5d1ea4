package kafka

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/cloudevents"
)

// batch is what records become for the log.
type batch struct {
	records  [][]byte
	outcomes map[string]int
}

// The content types of the structured mode.
const (
	prefix      = "application/cloudevents"
	batchPrefix = "application/cloudevents-batch"
	jsonSuffix  = "+json"
)

// decode makes events, fragments and dead letters of records, in their order.
func (r *Reader) decode(records []*kgo.Record) *batch {
	b := &batch{outcomes: map[string]int{}}
	for _, record := range records {
		letter := event.DeadLetter{
			Tenant: r.config.Tenant, KeyID: "kafka:" + record.Topic, Path: cloudevents.Path, ContentType: "application/cloudevents+json",
		}
		m := receive.Message{
			Who: receive.Principal{Tenant: r.config.Tenant}, ContentType: letter.ContentType, Body: record.Value,
			Fragment: func(f *event.Fragment) bool {
				b.add("accepted", event.AppendFragment(nil, f))
				return true
			},
			Ignore: func() { b.outcomes["ignored"]++ },
		}
		why := r.one(m, record, func(index int, raw []byte, e *event.Event, err *event.Error) bool {
			if err == nil {
				b.add("accepted", event.AppendBinary(nil, e))
				return true
			}
			letter.Source, letter.Kind, letter.Index = e.Source, e.Kind, int64(index)
			letter.Code, letter.Field, letter.Message, letter.Payload = err.Code, err.Field, err.Message, raw
			b.add("rejected", event.AppendDeadLetter(nil, &letter))
			return true
		})
		if why != nil {
			letter.Index, letter.Code, letter.Field, letter.Message, letter.Payload = -1, why.Code, why.Field, why.Detail, record.Value
			b.add("rejected", event.AppendDeadLetter(nil, &letter))
		}
	}
	return b
}

func (b *batch) add(outcome string, record []byte) {
	b.outcomes[outcome]++
	b.records = append(b.records, record)
}

// one decodes a record: structured by its content type, else binary. A structured one
// may come without a content type, as the binding allows; it is told by what it is.
func (r *Reader) one(m receive.Message, record *kgo.Record, yield event.Yield) *receive.Refusal {
	var contentType string
	var attributes []cloudevents.Attribute
	for _, h := range record.Headers {
		if name, ok := strings.CutPrefix(h.Key, "ce_"); ok {
			attributes = append(attributes, cloudevents.Attribute{Name: name, Value: string(h.Value)})
		} else if strings.EqualFold(h.Key, "content-type") {
			contentType = string(h.Value)
		}
	}
	format, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(contentType)), ";")
	format = strings.TrimSpace(format)
	switch {
	case strings.HasPrefix(format, prefix) && !strings.HasSuffix(format, jsonSuffix):
		return &receive.Refusal{Code: "unsupported_media_type", Detail: "CloudEvents are taken in the JSON format, not " + event.Clip(contentType, 64)}
	case strings.HasPrefix(format, batchPrefix):
		return r.config.Decoder.Batch(m, yield)
	case strings.HasPrefix(format, prefix), len(attributes) == 0 && len(record.Value) > 0 && record.Value[0] == '{':
		return r.config.Decoder.Structured(m, yield)
	case len(attributes) == 0 && len(record.Value) == 0: // A tombstone of a compacted topic.
		m.Ignore()
		return nil
	}
	return r.config.Decoder.Binary(m, attributes, contentType, yield)
}
