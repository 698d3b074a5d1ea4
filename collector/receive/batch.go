package receive

import (
	"sync"

	"github.com/flowgauge/flowgauge/backend/event"
)

// batch is what a request becomes: records for the log, and a receipt.
type batch struct {
	buf     []byte // the records, one behind the other
	places  []place
	records [][]byte
	seen    identities
	dropped map[event.Duplicates]uint32 // duplicates by all but their count
	left    event.Event                 // the last of them
	ignored int
	receipt Receipt
	tally   tally
}

// place is where a record lies in buf, which moves while it grows.
type place struct {
	from, to int // from == to: a duplicate took its place
	kind     event.Kind
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func getBatch() *batch { return batches.Get().(*batch) }

// release gives the batch back, without what points into the body.
func (b *batch) release() {
	if cap(b.buf) > keepBuffer {
		return
	}
	clear(b.records)
	b.reset()
	batches.Put(b)
}

// reset forgets everything, for a request that cannot be used after all.
func (b *batch) reset() {
	b.seen.reset()
	if len(b.dropped) > 64 {
		b.dropped = nil // Of a sender with a source for each event; few have more than one.
	}
	clear(b.dropped)
	*b = batch{buf: b.buf[:0], places: b.places[:0], records: b.records[:0], seen: b.seen, dropped: b.dropped}
}

// accept adds an event. One with the identity of an earlier event of the request
// replaces it: the one received last stands.
func (b *batch) accept(e *event.Event) {
	from := len(b.buf)
	b.buf = event.AppendBinary(b.buf, e)
	if before := b.seen.put(e.Identity(), len(b.places)); before >= 0 {
		b.drop(&b.places[before])
		b.receipt.Duplicates++
		b.tally[e.Kind][duplicate]++
	} else {
		b.receipt.Accepted++
		b.tally[e.Kind][accepted]++
	}
	b.places = append(b.places, place{from: from, to: len(b.buf), kind: e.Kind})
}

// drop leaves an event out and notes whose it was: the source is no part of an
// identity, so it may be another than that of the event which replaces it.
func (b *batch) drop(p *place) {
	e := &b.left
	if err := event.DecodeBinary(b.buf[p.from:p.to], e); err != nil {
		panic("receive: " + err.Error()) // It was encoded a moment ago.
	}
	if b.dropped == nil {
		b.dropped = map[event.Duplicates]uint32{}
	}
	b.dropped[event.Duplicates{Tenant: e.Tenant, Source: e.Source, Kind: e.Kind}]++
	p.to = p.from
}

// fragment adds a fragment. Gathering them makes one of those that are the same.
func (b *batch) fragment(f *event.Fragment) {
	from := len(b.buf)
	b.buf = event.AppendFragment(b.buf, f)
	b.places = append(b.places, place{from: from, to: len(b.buf)})
	b.receipt.Accepted++
	b.tally[kindFragment][accepted]++
}

// reject adds a dead letter, and the error to the receipt.
func (b *batch) reject(l *event.DeadLetter, id string, kind event.Kind) {
	from := len(b.buf)
	b.buf = event.AppendDeadLetter(b.buf, l)
	b.places = append(b.places, place{from: from, to: len(b.buf)})
	b.tally[kind][rejected]++
	if len(b.receipt.Errors) == maxErrors {
		b.receipt.ErrorsOmitted++
		return
	}
	b.receipt.Errors = append(b.receipt.Errors, EventError{
		Index: int(l.Index), ID: id, Code: l.Code, Field: l.Field, Message: l.Message,
	})
}

// take returns the records that stand, and those that count the others.
func (b *batch) take() [][]byte {
	for _, p := range b.places {
		if p.from != p.to {
			b.records = append(b.records, b.buf[p.from:p.to:p.to])
		}
	}
	for d, n := range b.dropped {
		d.Count = n
		b.records = append(b.records, event.AppendDuplicates(nil, &d))
	}
	return b.records
}
