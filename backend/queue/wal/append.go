package wal

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// maxGather is the size from which a batch takes no further request. It bounds
// the memory of a stalled disk: one batch being written, one gathering.
const maxGather = 32 << 20

// keepBuffer is the largest buffer that is kept for the next batch.
const keepBuffer = 8 << 20

// batch gathers the requests of one frame.
type batch struct {
	buf   []byte // room for the header, then the records
	need  int64  // bytes of the records
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
	if need > maxFrame-frameExtra {
		return fmt.Errorf("append %d bytes: a request may have at most %d", need, maxFrame-frameExtra)
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
		case l.used()+int64(need+frameExtra) > l.opts.MaxBytes:
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
		b.need += int64(need)
		l.reserved += int64(need)
		l.mu.Unlock()
		signal(l.kick)
		return b, nil
	}
}

// used returns the bytes that count against MaxBytes. The newest segment is not
// counted when it is consumed, since it goes as soon as there is another; if it were,
// a log that is full and then consumed would stay full. The caller holds mu.
func (l *Log) used() int64 {
	used := l.total + l.reserved
	if n := len(l.segments); n > 0 && l.pending == 0 {
		used -= l.segments[n-1].size
	}
	return used
}
