package sink

import (
	"context"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// divisible reports whether a part of the batch may be stored where all of it cannot:
// when it is too much at once, or ClickHouse refuses a row for what is in it. Other
// errors, such as a missing table, are those of every part.
func (b *batch) divisible(err error) bool {
	if b.whole {
		return false
	}
	switch clickhouse.ClassOf(err) {
	case clickhouse.ClassLimit:
		return len(b.records) > 1
	case clickhouse.ClassData:
		return len(b.records) > 1 || b.refusable()
	}
	return false
}

// refusable reports whether the only record may become a dead letter. What is one
// already, or only a count, has no other place to go.
func (b *batch) refusable() bool {
	if len(b.records) != 1 {
		return false
	}
	switch event.RecordType(b.records[0].Data) {
	case event.RecordEvent, event.RecordFragment:
		return true
	}
	return false
}

// put stores a batch, in parts if need be.
func (s *Sink) put(ctx context.Context, b *batch) error {
	err := s.storeUntilDone(ctx, b)
	if err == nil {
		s.room.Store(min(2*s.room.Load(), int64(s.cfg.BatchSize)))
		return nil
	}
	if ctx.Err() != nil || !b.divisible(err) {
		return err
	}
	if clickhouse.ClassOf(err) == clickhouse.ClassLimit {
		// The next ones would be too much as well. They grow again as they succeed.
		s.room.Store(max(1, int64(len(b.records)/2)))
	}
	return s.divide(ctx, b.records, err)
}

// divide stores the records of a batch half by half, in the order of the log. A crash
// in between repeats all of them.
func (s *Sink) divide(ctx context.Context, records []arrival, cause error) error {
	if len(records) == 1 {
		return s.refuse(ctx, records[0], cause)
	}
	middle := len(records) / 2
	for _, half := range [][]arrival{records[:middle], records[middle:]} {
		part := newBatch(s.cfg.Log, s.cfg.Price)
		for _, r := range half {
			if err := part.add(r); err != nil {
				return err
			}
		}
		err := s.storeUntilDone(ctx, part)
		switch {
		case err == nil:
			s.refusals = 0
		case ctx.Err() == nil && part.divisible(err):
			err = s.divide(ctx, half, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mostRefused is how many records in a row are refused, without one in between that is
// stored. More than that is the fault of the tables, of a view that fails for every row
// say, and waits until somebody mends it.
const mostRefused = 100

// refuse keeps a record that ClickHouse will not take as a dead letter, in the place of
// the event.
func (s *Sink) refuse(ctx context.Context, r arrival, cause error) error {
	if s.refusals >= mostRefused {
		part := newBatch(s.cfg.Log, s.cfg.Price)
		part.whole = true
		if err := part.add(r); err != nil {
			return err
		}
		if err := s.storeUntilDone(ctx, part); err != nil {
			return err
		}
		s.refusals = 0
		return nil
	}
	s.refusals++
	letter, err := unstorable(r.Record, cause)
	if err != nil {
		return err
	}
	s.cfg.Logger.ErrorContext(ctx, "ClickHouse refuses an event; it is kept as a dead letter",
		"tenant", letter.Tenant, "partition", r.Partition, "version", uint64(r.Version), "error", cause)
	part := newBatch(s.cfg.Log, s.cfg.Price)
	part.letterOf(letter, r.Record)
	s.metrics.refused.Inc()
	return s.storeUntilDone(ctx, part)
}

// unstorable returns the dead letter of an accepted record.
func unstorable(r queue.Record, cause error) (*event.DeadLetter, error) {
	const mostOfMessage = 2000
	message := cause.Error()
	message = message[:min(len(message), mostOfMessage)]
	if event.RecordType(r.Data) == event.RecordFragment {
		f, err := event.DecodeFragment(r.Data)
		if err != nil {
			return nil, fmt.Errorf("decode fragment %d: %w", r.Version, err)
		}
		return &event.DeadLetter{
			Tenant: f.Tenant, Source: f.Source, ContentType: event.ContentTypeRecord, Payload: r.Data,
			Index: -1, Code: event.CodeStoreFailed, Message: message,
		}, nil
	}
	var e event.Event
	if err := event.DecodeBinary(r.Data, &e); err != nil {
		return nil, fmt.Errorf("decode record %d: %w", r.Version, err)
	}
	return event.LetterOf(&e, event.CodeStoreFailed, message), nil
}
