package sink

import (
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/gather"
)

// batch is what one round of the sink stores: the columns of every table and the
// minutes that change.
type batch struct {
	tables map[event.Kind]*table
	dead   *deadLetters
	marks  map[mark]struct{}
	counts map[countKey]*tally
	first  queue.Version
	events int
	bytes  int // of their records
	price  func(*event.Event)
	event  event.Event
	letter event.DeadLetter
	last   mark // events come in the order of time: most marks repeat

	fragments []gather.Fragment // those that have not been gathered yet
}

// mark is a minute, in Unix seconds, of one tenant's events of one kind.
type mark struct {
	tenant string
	minute int64
	kind   event.Kind
}

type countKey struct {
	tenant string
	source string
	kind   string
	code   string
	minute int64 // of receipt
}

type tally struct {
	events         uint64
	receivedMs     int64 // sum of receipt times, for the sum of lags
	firstReceiptMs int64
}

func newBatch(price func(*event.Event)) *batch {
	return &batch{
		price: price,
		tables: map[event.Kind]*table{
			event.KindExecution: newExecutions(),
			event.KindStep:      newSteps(),
			event.KindCost:      newCosts(),
			event.KindActivity:  newActivity(),
		},
		dead:   newDeadLetters(),
		marks:  map[mark]struct{}{},
		counts: map[countKey]*tally{},
	}
}

func (b *batch) reset() {
	for _, t := range b.tables {
		t.reset()
	}
	b.dead.input.Reset()
	clear(b.marks)
	clear(b.counts)
	b.first, b.events, b.bytes, b.last = 0, 0, 0, mark{}
	b.fragments = nil
}

// add decodes a record of the log into columns. A record that cannot be decoded
// passed its checksum, so it was written by a newer release: the batch must not
// go on without it.
func (b *batch) add(r queue.Record) error {
	if b.events == 0 {
		b.first = r.Version
	}
	b.events++
	b.bytes += len(r.Data)
	switch event.RecordType(r.Data) {
	case event.RecordEvent:
		if err := event.DecodeBinary(r.Data, &b.event); err != nil {
			return fmt.Errorf("decode record %d: %w", r.Version, err)
		}
		e := &b.event
		if e.Pricing == event.PricingUnpriced {
			b.price(e)
		}
		b.tables[e.Kind].add(e, uint64(r.Version))
		b.mark(e.Tenant, e.Kind, e.Time)
		if moved(e) {
			b.mark(e.Tenant, e.Kind, e.PreviousTime)
		}
		b.count(countKey{tenant: e.Tenant, source: e.Source, kind: e.Kind.String()}, r.Version)
	case event.RecordFragment:
		return b.fragment(r)
	case event.RecordDeadLetter:
		if err := event.DecodeDeadLetter(r.Data, &b.letter); err != nil {
			return fmt.Errorf("decode dead letter %d: %w", r.Version, err)
		}
		b.dead.add(&b.letter, r.Version)
		b.count(countKey{tenant: b.letter.Tenant, source: b.letter.Source, code: string(b.letter.Code)}, r.Version)
	default:
		return fmt.Errorf("record %d has type %d, which this release does not know: run the release that wrote it", r.Version, event.RecordType(r.Data))
	}
	return nil
}

func (b *batch) mark(tenant string, kind event.Kind, ms int64) {
	m := mark{tenant: tenant, kind: kind, minute: ms / 60_000 * 60}
	if m == b.last {
		return
	}
	b.last = m
	b.marks[m] = struct{}{}
}

func (b *batch) count(key countKey, v queue.Version) {
	received := v.UnixMilli()
	key.minute = received / 60_000 * 60
	t := b.counts[key]
	if t == nil {
		t = &tally{firstReceiptMs: received}
		b.counts[key] = t
	}
	t.events++
	t.receivedMs += received
}

// markInput returns the marks as columns; the server adds the time.
func (b *batch) markInput() proto.Input {
	c := new(columns)
	tenant, kind := c.str("tenant"), c.enum("kind", "Enum8('execution' = 1, 'step' = 2, 'cost' = 3, 'activity' = 4)")
	minute := number(c, "minute", new(proto.ColDateTime))
	for m := range b.marks {
		tenant.Append(m.tenant)
		kind.Append(proto.Enum8(m.kind))
		minute.Append(time.Unix(m.minute, 0))
	}
	return c.input
}

// countInput returns what the batch stored and refused as columns.
func (b *batch) countInput(stored time.Time) proto.Input {
	c := new(columns)
	tenant, source, kind, code := c.str("tenant"), c.str("source"), c.str("kind"), c.str("code")
	minute := number(c, "minute", new(proto.ColDateTime))
	events := number(c, "events", new(proto.ColUInt64))
	lagSum, lagMax := number(c, "lag_ms_sum", new(proto.ColInt64)), number(c, "lag_ms_max", new(proto.ColInt64))
	first := number(c, "batch", new(proto.ColUInt64))
	now := stored.UnixMilli()
	for key, t := range b.counts {
		tenant.Append(key.tenant)
		source.Append(key.source)
		kind.Append(key.kind)
		code.Append(key.code)
		minute.Append(time.Unix(key.minute, 0))
		events.Append(t.events)
		lagSum.Append(int64(t.events)*now - t.receivedMs)
		lagMax.Append(now - t.firstReceiptMs)
		first.Append(uint64(b.first))
	}
	return c.input
}

// deadLetters builds the INSERT of refused events.
type deadLetters struct {
	input proto.Input
	add   func(d *event.DeadLetter, v queue.Version)
}

func newDeadLetters() *deadLetters {
	c := new(columns)
	tenant, source, key := c.str("tenant"), c.str("source"), c.str("key_id")
	version := number(c, "version", new(proto.ColUInt64))
	position := number(c, "position", new(proto.ColUInt32))
	code := number(c, "code", new(proto.ColStr).LowCardinality())
	field, message := c.str("field"), c.str("message")
	contentType, payload := c.str("content_type"), c.str("payload")
	truncated := number(c, "truncated", new(proto.ColUInt8))
	return &deadLetters{input: c.input, add: func(d *event.DeadLetter, v queue.Version) {
		tenant.Append(d.Tenant)
		source.Append(d.Source)
		key.Append(d.KeyID)
		version.Append(uint64(v))
		position.Append(uint32(d.Index))
		code.Append(string(d.Code))
		field.Append(d.Field)
		message.Append(d.Message)
		contentType.Append(d.ContentType)
		payload.AppendBytes(d.Payload)
		if d.Truncated {
			truncated.Append(1)
		} else {
			truncated.Append(0)
		}
	}}
}
