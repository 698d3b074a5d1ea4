package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// maxGather is the size from which a batch takes no further request. It bounds
// the memory of a stalled disk: one batch being written, one gathering.
const maxGather = 32 << 20

// keepBuffer is the largest buffer that is kept for the next batch.
const keepBuffer = 8 << 20

// batch gathers the requests of one frame.
type batch struct {
	buf   []byte // room for the header, then the payload
	count int
	taken chan struct{} // closed when the committer has it
	done  chan struct{} // closed when it is durable, or err is set
	err   error
}

func newBatch(buf []byte) *batch {
	if cap(buf) < frameHeader {
		buf = make([]byte, frameHeader, 64<<10)
	}
	return &batch{buf: buf[:frameHeader], taken: make(chan struct{}), done: make(chan struct{})}
}

// Append returns nil when all records are durable, all of them or none. It copies
// them, so they may be used again even when it returns because ctx ended.
func (l *Log) Append(ctx context.Context, records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	need := 0
	for _, r := range records {
		need += recordSize(r)
	}
	if need > maxFrame {
		return fmt.Errorf("append %d bytes: a request may have at most %d", need, maxFrame)
	}
	b, err := l.enqueue(ctx, records, need)
	if err != nil {
		return err
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the log: %w", ctx.Err())
	}
}

// enqueue copies the records into the batch that gathers.
func (l *Log) enqueue(ctx context.Context, records [][]byte, need int) (*batch, error) {
	for {
		l.mu.Lock()
		b := l.gather
		switch {
		case l.err != nil:
			l.mu.Unlock()
			return nil, l.err
		case l.closed:
			l.mu.Unlock()
			return nil, queue.ErrClosed
		case ctx.Err() != nil:
			l.mu.Unlock()
			return nil, fmt.Errorf("append to the log: %w", ctx.Err())
		case l.used()+int64(need+frameHeader) > l.opts.MaxBytes:
			l.mu.Unlock()
			return nil, queue.ErrFull
		case b.count > 0 && len(b.buf)+need > maxGather:
			l.mu.Unlock()
			select {
			case <-b.taken:
			case <-ctx.Done():
			}
			continue
		}
		for _, r := range records {
			b.buf = binary.AppendUvarint(b.buf, uint64(len(r)))
			b.buf = append(b.buf, r...)
		}
		b.count += len(records)
		l.reserved += int64(need)
		l.mu.Unlock()
		signal(l.kick)
		return b, nil
	}
}

// used returns the bytes that count against MaxBytes. An active segment that is
// consumed is not counted, since it goes as soon as there is another; if it were,
// a log that is full and then consumed would stay full. The caller holds mu.
func (l *Log) used() int64 {
	used := l.total + l.reserved
	if l.pending == 0 {
		used -= l.segments[len(l.segments)-1].end
	}
	return used
}

// run is the committer. It ends when the log is closed or has failed.
func (l *Log) run() {
	defer close(l.stopped)
	for range l.kick {
		for {
			b, closing := l.take()
			if b == nil {
				if closing {
					l.end()
					return
				}
				break
			}
			if err := l.commit(b); err != nil {
				l.fail(b, err)
				return
			}
		}
	}
}

// take hands the gathered batch to the committer and puts a new one in its place.
func (l *Log) take() (_ *batch, closing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.gather
	if b.count == 0 {
		return nil, l.closed
	}
	l.gather = newBatch(l.spare)
	l.spare = nil
	close(b.taken)
	return b, false
}

// commit makes a batch durable and answers its requests. An error is fatal.
func (l *Log) commit(b *batch) error {
	s, first, err := l.room(b)
	if err == nil {
		sealFrame(b.buf, b.count, first, s.salt)
		err = l.put(s, b.buf)
	}
	if errors.Is(err, errUndone) {
		l.opts.Logger.Error("the log's disk is full", "dir", l.opts.Dir, "error", err)
		l.settle(b, nil, 0, fmt.Errorf("%w: %w", queue.ErrFull, err))
		return nil
	}
	if err != nil {
		return err
	}
	l.settle(b, s, first, nil)
	return nil
}

// room returns the segment for the next group, a new one when the active one is
// full, and the group's first version.
func (l *Log) room(b *batch) (*segment, uint64, error) {
	l.mu.Lock()
	active := l.segments[len(l.segments)-1]
	first := max(uint64(max(0, l.opts.Now().UnixMicro())), l.last+1)
	l.mu.Unlock()
	// A segment without records is not left behind, however large the group: the
	// next one might have to have its name.
	if active.last < active.base || active.end+int64(len(b.buf)) <= l.opts.SegmentBytes {
		return active, first, nil
	}
	s, f, err := l.create(first)
	if err != nil {
		if isFull(err) {
			return nil, 0, fmt.Errorf("%w: %w", errUndone, err)
		}
		return nil, 0, err
	}
	if err := l.file.Close(); err != nil {
		_ = f.Close()
		return nil, 0, fmt.Errorf("close segment: %w", err)
	}
	l.file = f
	l.mu.Lock()
	l.segments = append(l.segments, s)
	l.total += s.end
	l.mu.Unlock()
	return s, first, nil
}

// errUndone says that a group did not fit on the disk and left no trace.
var errUndone = errors.New("no space for the group")

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// put writes a frame behind the segment's end and syncs it. A write that finds no
// space is undone; a sync is never tried twice, since the kernel may have dropped
// the pages that it could not write and report success the second time.
func (l *Log) put(s *segment, b []byte) error {
	if _, err := l.file.WriteAt(b, s.end); err != nil {
		if isFull(err) && l.file.Truncate(s.end) == nil {
			return fmt.Errorf("%w: %w", errUndone, err)
		}
		return fmt.Errorf("write to the log: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync the log: %w", err)
	}
	return nil
}

// settle notes what has become durable and answers the batch's requests.
func (l *Log) settle(b *batch, s *segment, first uint64, err error) {
	l.mu.Lock()
	l.reserved -= int64(len(b.buf) - frameHeader)
	if err == nil {
		l.last = first + uint64(b.count) - 1
		s.end += int64(len(b.buf))
		l.total += int64(len(b.buf))
		s.last = l.last
		if l.pending == 0 {
			l.oldest = first
		}
		l.pending += int64(b.count)
	}
	if cap(b.buf) <= keepBuffer {
		l.spare = b.buf
	}
	l.mu.Unlock()
	b.buf = nil
	b.err = err
	close(b.done)
	if err == nil {
		signal(l.arrived)
	}
}

// fail refuses all work from now on.
func (l *Log) fail(b *batch, err error) {
	l.mu.Lock()
	l.err = fmt.Errorf("the log has failed and must be opened again: %w", err)
	waiting := l.gather
	l.gather = newBatch(nil)
	l.mu.Unlock()
	l.opts.Logger.Error("the log has failed", "dir", l.opts.Dir, "error", err)
	for _, b := range []*batch{b, waiting} {
		b.err = l.err
		close(b.done)
	}
	close(waiting.taken)
	close(l.failed)
}

// end marks the log as closed in order, by an empty frame behind the last group.
func (l *Log) end() {
	l.mu.Lock()
	s := l.segments[len(l.segments)-1]
	last := l.last
	l.mu.Unlock()
	b := make([]byte, frameHeader)
	sealFrame(b, 0, last, s.salt)
	if err := l.put(s, b); err != nil {
		// All that was answered is durable; only the mark is missing.
		l.opts.Logger.Warn("the log could not be marked as closed", "dir", l.opts.Dir, "error", err)
		return
	}
	l.mu.Lock()
	s.end += frameHeader
	l.total += frameHeader
	l.mu.Unlock()
}
