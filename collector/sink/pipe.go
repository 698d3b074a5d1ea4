package sink

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// A batch is bounded in bytes too: ClickHouse takes no block that compresses to
// more than 1 GiB, and events may carry long messages and metadata.
const (
	batchBytes = 64 << 20
	fetchSize  = 2000
)

// pipe is the way of batches from the log to the database.
//
//	free ─> fill ─(full)─> put, commit ─> free
//
// With two batches one is filled while the other is stored; with one they take turns.
type pipe struct {
	free, full chan *batch
	idle       chan struct{} // holds a token while nothing is being stored
	stored     chan struct{} // holds a token when something was stored since the last look
}

// pipe stores batches until ctx ends or an error.
func (s *Sink) pipe(ctx context.Context) error {
	p := &pipe{
		free: make(chan *batch, len(s.batches)), full: make(chan *batch),
		idle: make(chan struct{}, 1), stored: make(chan struct{}, 1),
	}
	for _, b := range s.batches {
		p.free <- b
	}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.fillAll(gctx, p) })
	group.Go(func() error { return s.storeAll(gctx, p) })
	return group.Wait()
}

func (s *Sink) storeAll(ctx context.Context, p *pipe) error {
	for {
		offer(p.idle)
		var b *batch
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b = <-p.full:
		}
		select { // nobody has waited for it
		case <-p.idle:
		default:
		}
		if err := s.put(ctx, b); err != nil {
			return err
		}
		if err := s.commit(ctx, b.events); err != nil {
			return err
		}
		s.metrics.events.Add(float64(b.events))
		b.reset()
		p.free <- b
		offer(p.stored)
		s.cfg.OnStored()
	}
}

// commit lets the log forget the first n of the records that are not committed.
func (s *Sink) commit(ctx context.Context, n int) error {
	if s.ahead != nil {
		return s.ahead.CommitFirst(ctx, n)
	}
	return s.cfg.Consumer.Commit(ctx)
}

func (s *Sink) fillAll(ctx context.Context, p *pipe) error {
	for {
		var b *batch
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b = <-p.free:
		}
		for b.events == 0 {
			if err := s.fill(ctx, p, b); err != nil {
				return err
			}
			if b.events > 0 {
				break
			}
			// The log gives nothing more before a commit.
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-p.stored:
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p.full <- b:
		}
	}
}

// fill fetches until the batch is full, or has lingered and can be stored. What comes
// while the one before is still being stored is added to it: the slower ClickHouse is,
// the larger the batches.
func (s *Sink) fill(ctx context.Context, p *pipe, b *batch) error {
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	var chunks []*chunk // on their way through the plugins, in order
	var fetched, bytes int
	for room := int(s.room.Load()); fetched < room && bytes < batchBytes; {
		records, err := s.cfg.Consumer.Fetch(wait, min(fetchSize, room-fetched))
		if err != nil && wait.Err() == nil {
			return err
		}
		if len(records) == 0 {
			break
		}
		if fetched == 0 {
			go s.linger(wait, cancel, p)
		}
		fetched += len(records)
		for _, r := range records {
			bytes += len(r.Data)
		}
		c, err := s.enrich(ctx, records)
		if err != nil {
			return err
		}
		if chunks = append(chunks, c); len(chunks) == enrichAhead || s.cfg.Enrich == nil {
			if err := s.take(ctx, b, chunks[0]); err != nil {
				return err
			}
			chunks = chunks[1:]
		}
	}
	for _, c := range chunks {
		if err := s.take(ctx, b, c); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// take adds a chunk to the batch when it has passed the plugins.
func (s *Sink) take(ctx context.Context, b *batch, c *chunk) error {
	if err := s.await(ctx, c.done); err != nil {
		return err
	}
	for i := range c.arrivals {
		if err := b.add(c.arrivals[i]); err != nil {
			return err
		}
	}
	return nil
}

// linger ends the wait for more when the batch has lingered and can be stored.
func (s *Sink) linger(ctx context.Context, done context.CancelFunc, p *pipe) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(s.cfg.Linger):
	}
	select {
	case <-ctx.Done():
	case <-p.idle:
		done()
	}
}

// offer puts a token into a channel that holds one.
func offer(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
