package wal

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// readAhead is how much of a segment is read at once. Records share its memory.
const readAhead = 1 << 20

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
	position, closed := l.position, l.closed
	l.mu.Unlock()
	switch {
	case closed:
		return queue.ErrClosed
	case r.last == position:
		return nil
	}
	if err := l.writePosition(r.last); err != nil {
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
			l.total -= l.segments[0].end
			l.segments = l.segments[1:]
		}
		l.mu.Unlock()
		return consumed, nil
	}
}

// reader is the consumer's place in the log.
type reader struct {
	log  *Log
	skip uint64 // what has at most this version was consumed before the start

	segment *segment
	file    disk.File
	at      int64  // offset of ahead in the file
	ahead   []byte // read, and not parsed

	records []byte // of the frame that is being handed out, what is left
	left    int
	version uint64 // of the next one

	last      uint64 // version of the last record handed out
	delivered int64  // how many since the last Commit
}

// take returns up to limit records that are there.
func (r *reader) take(limit int) ([]queue.Record, error) {
	var out []queue.Record
	for len(out) < limit {
		if r.left == 0 {
			ok, err := r.advance()
			if err != nil {
				if len(out) > 0 {
					break // The next call meets it again.
				}
				return nil, err
			}
			if !ok {
				break
			}
			continue
		}
		if out == nil {
			out = make([]queue.Record, 0, min(limit, r.left))
		}
		data, rest, _ := cutRecord(r.records) // parseFrame has seen to it.
		version := r.version
		r.records, r.left, r.version = rest, r.left-1, version+1
		if version <= r.skip {
			continue
		}
		out = append(out, queue.Record{Version: queue.Version(version), Data: data})
		r.last = version
	}
	r.delivered += int64(len(out))
	return out, nil
}

// peek returns the version of the next record, 0 when there is none yet.
func (r *reader) peek() (uint64, error) {
	for r.left == 0 {
		ok, err := r.advance()
		if err != nil || !ok {
			return 0, err
		}
	}
	return r.version, nil
}

// advance goes to the next durable frame, if there is one.
func (r *reader) advance() (bool, error) {
	for {
		f, err := parseFrame(r.ahead, r.salt())
		switch {
		case err == nil:
			r.at += int64(f.size())
			r.ahead = r.ahead[f.size():]
			r.records, r.left, r.version = f.payload, f.count, f.first
			return true, nil
		case !errors.Is(err, errShort):
			return false, r.damaged()
		}
		ok, err := r.fill()
		if !ok || err != nil {
			return false, err
		}
	}
}

func (r *reader) salt() uint32 {
	if r.segment == nil {
		return 0
	}
	return r.segment.salt
}

func (r *reader) damaged() error {
	return &DamagedError{File: r.segment.path, Offset: r.at, After: r.last}
}

// fill reads on, in the next segment once this one is at its end. It returns
// false when nothing more is durable.
func (r *reader) fill() (bool, error) {
	end, next := r.log.extent(r.segment)
	if r.segment != nil && r.at < end {
		need := int64(frameHeader)
		if size, _, err := parseHeader(r.ahead, r.segment.salt); err == nil {
			need = int64(size)
		}
		if need > end-r.at {
			return false, r.damaged() // Durable frames are whole.
		}
		b := make([]byte, min(max(need, readAhead), end-r.at))
		if _, err := r.file.ReadAt(b, r.at); err != nil {
			return false, fmt.Errorf("read segment: %w", err)
		}
		r.ahead = b
		return true, nil
	}
	if next == nil {
		return false, nil
	}
	f, err := r.log.opts.disk.OpenFile(next.path, os.O_RDONLY)
	if err != nil {
		return false, fmt.Errorf("open segment: %w", err)
	}
	r.close()
	r.segment, r.file, r.at, r.ahead = next, f, segmentHeader, nil
	return true, nil
}

// extent returns the durable end of a segment and the segment after it.
func (l *Log) extent(s *segment) (end int64, next *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s == nil {
		return 0, l.segments[0]
	}
	for _, other := range l.segments {
		if other.base > s.base {
			return s.end, other
		}
	}
	return s.end, nil
}

func (r *reader) close() {
	if r.file != nil {
		_ = r.file.Close()
		r.file = nil
	}
}
