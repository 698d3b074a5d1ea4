package sink

import (
	"context"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
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
	b.fragments = append(b.fragments, gather.Fragment{Fragment: f, Version: r.Version})
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
