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
	if n := len(records); n > 0 {
		l.read.handed = append(l.read.handed, handout{first: uint64(records[0].Version), last: uint64(records[n-1].Version), records: n})
	} else if err == nil {
		err = failed
	}
	return records, err
}

// handout is what one Fetch has returned.
type handout struct {
	first, last uint64 // versions
	records     int
}

// Commit notes that everything fetched so far may be forgotten, and removes the
// segments that hold nothing else.
func (l *Log) Commit(ctx context.Context) error {
	l.consumer.Lock()
	n := int(l.read.delivered)
	l.consumer.Unlock()
	return l.CommitFirst(ctx, n)
}

// CommitFirst is Commit for the first n records of those that were fetched and not
// committed. Records that one Fetch returned are committed together.
func (l *Log) CommitFirst(_ context.Context, n int) error {
	l.consumer.Lock()
	defer l.consumer.Unlock()
	l.mu.Lock()
	closed, failed := l.closed, l.err
	l.mu.Unlock()
	switch {
	case closed:
		return queue.ErrClosed
	case failed != nil:
		return failed
	case n == 0:
		return nil
	}
	handouts, last, err := l.read.first(n)
	if err != nil {
		return err
	}
	err = l.positions.write(func(s *state) {
		s.consumed = last
		l.mark(s)
	})
	if err != nil {
		if !noRoom(err) {
			l.fail(err)
		}
		return err
	}
	l.read.handed = l.read.handed[handouts:]
	l.read.delivered -= int64(n)
	for _, s := range l.advance(last, int64(n)) {
		// One that stays behind is removed at the next start.
		if err := l.opts.disk.Remove(s.path); err != nil {
			return fmt.Errorf("remove consumed segment: %w", err)
		}
	}
	return nil
}

// first returns how many fetches the first n records came from, and the version of the
// last of them.
func (r *reader) first(n int) (handouts int, last uint64, err error) {
	for left := n; left > 0; handouts++ {
		if handouts == len(r.handed) || r.handed[handouts].records > left {
			return 0, 0, fmt.Errorf("commit %d records of the log: that is no whole number of fetches", n)
		}
		left -= r.handed[handouts].records
		last = r.handed[handouts].last
	}
	return handouts, last, nil
}

// next returns the version of the first record that is not committed, 0 when there is
// none yet.
func (r *reader) next() (uint64, error) {
	if len(r.handed) > 0 {
		return r.handed[0].first, nil
	}
	return r.peek()
}

// advance moves the position behind n more records, the last of which has a version, and
// returns the segments that hold no others, which are no part of the log any more.
func (l *Log) advance(last uint64, n int64) (consumed []*segment) {
	oldest, err := l.read.next()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.position = last
	l.pending -= n
	switch {
	case l.pending == 0:
		oldest = 0
	case err != nil, oldest == 0:
		// The next Fetch meets the error, too. Or a record became durable since the look.
		oldest = last + 1
	}
	l.oldest = oldest
	for len(l.segments) > 1 && l.segments[0].last <= l.position {
		consumed = append(consumed, l.segments[0])
		l.total -= l.segments[0].size
		l.segments = l.segments[1:]
	}
	return consumed
}
