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
	// records are what the batch was made of, in case it has to be divided.
	records []arrival
	whole   bool // it is not divided
	marks   map[mark]struct{}
	counts  counts
	events  int
	bytes   int // of their records
	price   func(*event.Event)
	event   event.Event
	letter  event.DeadLetter
	last    mark // events come in the order of time: most marks repeat
	moves   moves

	fragments []gather.Fragment // those that have not been gathered yet
}

// mark is a minute, in Unix seconds, of one tenant's events of one kind.
type mark struct {
	tenant string
	minute int64
	kind   event.Kind
}

func newBatch(log string, price func(*event.Event)) *batch {
	return &batch{
		price: price,
		tables: map[event.Kind]*table{
			event.KindExecution: newExecutions(),
			event.KindStep:      newSteps(),
			event.KindCost:      newCosts(),
			event.KindActivity:  newActivity(),
		},
		dead:   newDeadLetters(log),
		marks:  map[mark]struct{}{},
		counts: newCounts(),
		moves:  moves{},
	}
}

func (b *batch) reset() {
	for _, t := range b.tables {
		t.reset()
	}
	b.dead.input.Reset()
	clear(b.marks)
	b.counts.reset()
	b.events, b.bytes, b.last = 0, 0, mark{}
	b.fragments = nil
	clear(b.moves)
	clear(b.records)
	b.records = b.records[:0]
}

// add decodes a record of the log into columns. A record that cannot be decoded
// passed its checksum, so it was written by a newer release: the batch must not
// go on without it.
func (b *batch) add(r arrival) error {
	b.records = append(b.records, r)
	b.events++
	b.bytes += len(r.Data)
	at := placeOf(r.Record)
	switch event.RecordType(r.Data) {
	case event.RecordEvent:
		for _, more := range r.result.Added {
			b.store(more, r.Version)
			b.counts.add(keyOf(more), at, added, 1)
		}
		if r.result.Letter != nil {
			b.reject(r.result.Letter, at)
			return nil
		}
		e := r.event
		if e == nil {
			if err := event.DecodeBinary(r.Data, &b.event); err != nil {
				return fmt.Errorf("decode record %d: %w", r.Version, err)
			}
			e = &b.event
		}
		b.store(e, r.Version)
		b.countAccepted(e, r, at)
	case event.RecordFragment:
		return b.fragment(r.Record)
	case event.RecordDeadLetter:
		if err := event.DecodeDeadLetter(r.Data, &b.letter); err != nil {
			return fmt.Errorf("decode dead letter %d: %w", r.Version, err)
		}
		b.reject(&b.letter, at)
	case event.RecordDuplicates:
		var d event.Duplicates
		if err := event.DecodeDuplicates(r.Data, &d); err != nil {
			return fmt.Errorf("decode duplicates %d: %w", r.Version, err)
		}
		b.counts.add(countKey{tenant: d.Tenant, source: d.Source, kind: d.Kind.String()}, at, duplicate, d.Count)
	default:
		return fmt.Errorf("record %d has type %d, which this release does not know: run the release that wrote it", r.Version, event.RecordType(r.Data))
	}
	return nil
}

// countAccepted counts an event as it was received, and its row as it is stored: plugins may
// give it another source.
func (b *batch) countAccepted(e *event.Event, r arrival, at place) {
	if r.event == nil || r.source == e.Source {
		b.counts.add(keyOf(e), at, accepted, 1)
		return
	}
	received := keyOf(e)
	received.source = r.source
	b.counts.add(received, at, accepted, 1)
	b.counts.add(received, at, gone, 1)
	b.counts.add(keyOf(e), at, came, 1)
}

// store adds an event's row.
func (b *batch) store(e *event.Event, version queue.Version) {
	if e.Pricing == event.PricingUnpriced {
		b.price(e)
	}
	if moved(e) {
		b.mark(e.Tenant, e.Kind, e.PreviousTime)
		b.moves.add(e, b.tables[e.Kind].rows())
	}
	b.tables[e.Kind].add(e, uint64(version))
	b.mark(e.Tenant, e.Kind, e.Time)
}

func (b *batch) reject(l *event.DeadLetter, at place) {
	b.dead.add(l, at)
	b.counts.add(countKey{tenant: l.Tenant, source: l.Source, kind: kindOf(l), code: l.Code}, at, rejected, 1)
}

// letterOf adds a dead letter in the place of a record.
func (b *batch) letterOf(l *event.DeadLetter, r queue.Record) {
	b.events++
	b.reject(l, placeOf(r))
}

func (b *batch) mark(tenant string, kind event.Kind, ms int64) {
	m := mark{tenant: tenant, kind: kind, minute: ms / 60_000 * 60}
	if m == b.last {
		return
	}
	b.last = m
	b.marks[m] = struct{}{}
}

// markInput returns the marks as columns; the server stamps them.
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
