package wal

import (
	"errors"
	"fmt"
	"os"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// reader is the consumer's place in the log.
type reader struct {
	log  *Log
	skip uint64 // what has at most this version was consumed before the start

	cursor *cursor // in the segment that is being read; nil before the first

	records []byte // of the frame that is being handed out, what is left
	left    int
	version uint64 // of the next one

	last      uint64 // version of the last record handed out
	delivered int64  // how many are not committed
	handed    []handout
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
			out = make([]queue.Record, 0, min(int64(limit), max(r.log.unread(r.delivered), int64(r.left))))
		}
		data, rest, _ := cutRecord(r.records) // parse has seen to it.
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
		end, next := r.log.extent(r.cursor)
		if r.cursor != nil {
			f, err := r.cursor.next(end)
			switch {
			case err == nil:
				r.records, r.left, r.version = f.payload, f.count, f.first
				return true, nil
			case errors.Is(err, errShort), errors.Is(err, errBad):
				return false, r.damaged(end)
			case !errors.Is(err, errEnd):
				return false, err
			}
		}
		if next == nil {
			return false, nil
		}
		if err := r.open(next); err != nil {
			return false, err
		}
	}
}

// damaged reports a durable frame that cannot be read any more.
func (r *reader) damaged(end int64) error {
	d := Damage{File: r.cursor.segment.path, From: r.cursor.at, To: end, After: queue.Version(r.last)}
	if d.After == 0 {
		d.After = queue.Version(r.skip)
	}
	return &DamagedError{d}
}

func (r *reader) open(s *segment) error {
	f, err := r.log.opts.disk.OpenFile(s.path, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	r.close()
	r.cursor = &cursor{segment: s, file: f, at: max(s.start, s.read)}
	return nil
}

// extent returns the durable end of the segment that is read and the one after it.
func (l *Log) extent(c *cursor) (end int64, next *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if c == nil || s.base > c.segment.base {
			next = s
			break
		}
	}
	if c != nil {
		end = c.segment.end
	}
	return end, next
}

// unread returns how many durable records were not handed out.
func (l *Log) unread(delivered int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending - delivered
}

func (r *reader) close() {
	if r.cursor != nil {
		_ = r.cursor.file.Close()
		r.cursor = nil
	}
}
