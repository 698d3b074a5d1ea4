package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/rollup"
	tracing "github.com/flowgauge/flowgauge/backend/telemetry/span"
)

// errWanted says that a batch is given back to the log.
var errWanted = errors.New("others wait for the batch")

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 30 * time.Second
)

// storeUntilDone repeats the batch with growing pauses until it is stored. It
// never gives up on an event: what cannot be stored now is stored when somebody
// has mended the reason, which the log and /readyz name. Only an error that divide
// can do something about is returned.
func (s *Sink) storeUntilDone(ctx context.Context, b *batch) error {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		began := time.Now()
		traced, batch := tracing.Start(ctx, s.cfg.Tracer, "store batch")
		batch.Count("flowgauge.records", b.events)
		err := s.store(traced, b)
		batch.End(err)
		if err == nil {
			s.metrics.duration.Observe(time.Since(began).Seconds())
			s.metrics.received.add(&b.counts)
			s.failing.Store(nil)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errWanted) {
			return err
		}
		msg := err.Error()
		s.failing.Store(&msg)
		s.metrics.failures.Inc()
		if b.divisible(err) {
			s.cfg.Logger.WarnContext(traced, "a batch is stored in parts", "events", b.events, "error", err)
			return err
		}
		s.cfg.Logger.ErrorContext(traced, "store a batch", "events", b.events, "error", err, "retry_in", pause)
		if s.shared != nil && s.shared.Wanted() {
			return errWanted
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (s *Sink) store(ctx context.Context, b *batch) error {
	if err := s.gather(ctx, b); err != nil {
		return err
	}
	if err := s.bringBack(ctx, b); err != nil {
		return err
	}
	marks := b.markInput()
	if err := s.mark(ctx, marks); err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	for _, t := range b.tables {
		group.Go(func() error { return s.insert(gctx, t.name, t.inputs()...) })
	}
	group.Go(func() error { return s.insert(gctx, "dead_letters", b.dead.input) })
	if err := group.Wait(); err != nil {
		return err
	}
	if s.shared != nil && !s.shared.Holds(ctx) {
		return errWanted // another one counts the same records
	}
	if err := s.count(ctx, b); err != nil {
		return err
	}
	return s.mark(ctx, marks)
}

func (s *Sink) mark(ctx context.Context, marks proto.Input) error {
	if marks[0].Data.Rows() == 0 {
		return nil
	}
	return rollup.InsertMarks(ctx, s.cfg.Client, marks)
}

func (s *Sink) insert(ctx context.Context, table string, blocks ...proto.Input) error {
	rows := 0
	for _, block := range blocks {
		rows += block[0].Data.Rows()
	}
	if rows == 0 {
		return nil
	}
	ctx, insert := tracing.Start(ctx, s.cfg.Tracer, "insert")
	insert.Text("flowgauge.table", table)
	insert.Count("flowgauge.rows", rows)
	err := s.cfg.Client.Insert(ctx, table, blocks...)
	insert.End(err)
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	return nil
}
