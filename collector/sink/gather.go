package sink

import (
	"context"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/collector/gather"
)

// Gather makes rows of fragments; gather.Gatherer does. It keeps them first, so
// that it knows them when the next ones of their runs come.
type Gather interface {
	// Gather may be repeated. Batches are gathered one after the other, in order.
	Gather(ctx context.Context, fragments []gather.Fragment) ([]gather.Row, error)
}

// fragment notes a fragment until the batch is gathered.
func (b *batch) fragment(r queue.Record) error {
	f, err := event.DecodeFragment(r.Data)
	if err != nil {
		return fmt.Errorf("decode fragment %d: %w", r.Version, err)
	}
	b.fragments = append(b.fragments, gather.Fragment{Fragment: f, Version: r.Version, Partition: r.Partition})
	b.counts.add(countKey{tenant: f.Tenant, source: f.Source, kind: "fragment"}, placeOf(r), accepted, 1)
	return nil
}

// gather adds to a batch what its fragments make. A batch without any costs
// nothing, and one that is stored once more is not gathered again.
func (s *Sink) gather(ctx context.Context, b *batch) error {
	if len(b.fragments) == 0 {
		return nil
	}
	rows, err := s.cfg.Gather.Gather(ctx, b.fragments)
	if err != nil {
		return fmt.Errorf("gather fragments: %w", err)
	}
	if err := s.enrichRows(ctx, b, rows); err != nil {
		return err
	}
	for i := range rows {
		e, deleted := &rows[i].Event, uint8(0)
		if rows[i].Deleted {
			deleted = 1
		}
		b.tables[e.Kind].row(e, e.Time, uint64(rows[i].Version), deleted)
		b.mark(e.Tenant, e.Kind, e.Time)
	}
	b.fragments = nil
	return nil
}

// enrichRows passes what fragments make through the plugins. What they do not want stored is
// deleted, should it stand already; the fragments stay, and bring it back if the plugin
// thinks better of it.
//
// It asks about what the rows were as well, those that are deleted and those that are
// otherwise now: what was added to them then goes, but for what is added again. That is
// what the plugins say of it now, since nobody remembers what they said then.
//
// Nothing of it is counted. The fragments are, as accepted, and a row is made again
// whenever another of them has come.
func (s *Sink) enrichRows(ctx context.Context, b *batch, rows []gather.Row) error {
	if s.cfg.Enrich == nil {
		return nil
	}
	events := make([]event.Event, len(rows))
	var others []int // that were otherwise
	for i := range rows {
		events[i] = rows[i].Event
		if rows[i].Was != nil {
			others = append(others, i)
		}
	}
	for _, i := range others {
		events = append(events, *rows[i].Was)
	}
	results, err := s.passed(ctx, events)
	if err != nil {
		return err
	}
	var gone []int
	stand := map[event.Identity]bool{} // of what is added, also in place of a row that is dropped
	for i := range rows {
		if rows[i].Deleted {
			gone = append(gone, i)
			continue
		}
		rows[i].Event = events[i]
		if letter := results[i].Letter; letter != nil {
			rows[i].Deleted = true
			b.dead.add(letter, placeOfRow(&rows[i]))
		}
		for _, added := range results[i].Added {
			b.store(added, rows[i].Version)
			stand[added.Identity()] = true
		}
	}
	remove := func(i int, from *enrich.Result) {
		for _, e := range from.Added {
			if !stand[e.Identity()] {
				b.remove(e, rows[i].Version)
			}
		}
	}
	for _, i := range gone {
		remove(i, &results[i])
	}
	for n, i := range others {
		remove(i, &results[len(rows)+n])
	}
	return nil
}

// passed returns what the plugins have made of the events. Others may want the fragments
// meanwhile.
func (s *Sink) passed(ctx context.Context, events []event.Event) ([]enrich.Result, error) {
	var results []enrich.Result
	done := make(chan error, 1)
	go func() {
		var err error
		results, err = s.cfg.Enrich.Enrich(ctx, events)
		done <- err
	}()
	if err := s.await(ctx, done); err != nil {
		return nil, fmt.Errorf("enrich: %w", err)
	}
	return results, nil
}

// remove deletes an event, should it stand.
func (b *batch) remove(e *event.Event, version queue.Version) {
	b.tables[e.Kind].row(e, e.Time, uint64(version), 1)
	b.mark(e.Tenant, e.Kind, e.Time)
}

// placeOfRow is that of the last fragment that a row is made of. A run makes several rows,
// whose dead letters are told apart by their part; no log's name has a tilde.
func placeOfRow(r *gather.Row) place {
	at := place{partition: r.Said.Partition, version: r.Said.Version, part: "~step"}
	switch r.Event.Phase() {
	case event.PhaseStarted:
		at.part = "~started"
	case event.PhaseTerminal:
		at.part = "~terminal"
	}
	return at
}
