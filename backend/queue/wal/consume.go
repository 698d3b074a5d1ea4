package wal

import (
	"context"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// Fetch returns the records after the last fetched ones: at least one, at most
// limit, in the order of their versions. It returns none, and no error, when ctx
// ends first. Only durable records come out.
func (l *Log) Fetch(ctx context.Context, limit int) ([]queue.Record, error) {
	for ctx.Err() == nil {
		// What arrives after this look leaves a signal behind.
		records, err := l.look(limit)
		if len(records) > 0 || err != nil {
			return records, err
		}
		select {
		case <-l.arrived:
		case <-ctx.Done():
		case <-l.failed:
		case <-l.stopped:
		}
	}
	return nil, nil
}

// look returns what is there.
func (l *Log) look(limit int) ([]queue.Record, error) {
	l.consumer.Lock()
	defer l.consumer.Unlock()
	l.mu.Lock()
	closed, failed := l.closed, l.err
	l.mu.Unlock()
	if closed {
		return nil, queue.ErrClosed
	}
	records, err := l.read.take(max(limit, 1))
	if len(records) == 0 && err == nil {
		err = failed
	}
	return records, err
}

// Commit notes that everything fetched so far may be forgotten, and removes the
// segments that hold nothing else.
func (l *Log) Commit(context.Context) error {
	l.consumer.Lock()
	defer l.consumer.Unlock()
	r := &l.read
	l.mu.Lock()
	position, closed, failed := l.position, l.closed, l.err
	l.mu.Unlock()
	switch {
	case closed:
		return queue.ErrClosed
	case failed != nil:
		return failed
	case r.last == position:
		return nil
	}
	err := l.positions.write(func(s *state) {
		s.consumed = r.last
		l.mark(s)
	})
	if err != nil {
		if !noRoom(err) {
			l.fail(err)
		}
		return err
	}
	consumed, err := l.advance()
	if err != nil {
		return err
	}
	for _, s := range consumed {
		// One that stays behind is removed at the next start.
		if err := l.opts.disk.Remove(s.path); err != nil {
			return fmt.Errorf("remove consumed segment: %w", err)
		}
	}
	return nil
}

// advance moves the position to the last record that was handed out, and returns
// the segments that hold no other, which are no part of the log any more.
func (l *Log) advance() (consumed []*segment, err error) {
	r := &l.read
	for {
		next, err := r.peek()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		if next == 0 && l.pending > r.delivered {
			l.mu.Unlock()
			continue // One became durable since the look.
		}
		l.position, l.oldest = r.last, next
		l.pending -= r.delivered
		r.delivered = 0
		for len(l.segments) > 1 && l.segments[0].last <= l.position {
			consumed = append(consumed, l.segments[0])
			l.total -= l.segments[0].size
			l.segments = l.segments[1:]
		}
		l.mu.Unlock()
		return consumed, nil
	}
}
