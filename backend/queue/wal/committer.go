package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// errUndone says that a group found no room and left no trace.
var errUndone = errors.New("no room for the group")

// noRoom says that a call failed for want of space, or of open files, and will succeed
// when there is some. All other failures of the disk are final.
func noRoom(err error) bool {
	for _, e := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// run is the committer. It ends when the log is closed or has failed.
func (l *Log) run() {
	defer close(l.stopped)
	for range l.kick {
		for {
			b, closing := l.take()
			if b == nil {
				if closing {
					return
				}
				break
			}
			if err := l.commit(b); err != nil {
				l.fail(err)
				l.settle(b, nil, 0, l.Err())
			}
		}
	}
}

// take hands the gathered batch to the committer and puts a new one in its place. When
// the log has failed it answers it.
func (l *Log) take() (_ *batch, closing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.gather
	if b.count == 0 {
		return nil, l.closed || l.err != nil
	}
	l.gather = newBatch(l.spare)
	l.spare = nil
	close(b.taken)
	if l.err != nil {
		b.err = l.err
		close(b.done)
		return nil, true
	}
	return b, false
}

// commit makes a batch durable and answers its requests. An error is final.
func (l *Log) commit(b *batch) error {
	l.mu.Lock()
	first := max(uint64(max(0, l.opts.Now().UnixMicro())), l.last+1)
	// Given out, also if there is no room in the end: a version is a nonce.
	l.last = first + uint64(b.count) - 1
	exhausted := l.last > maxVersion
	l.mu.Unlock()
	if exhausted {
		return fmt.Errorf("version %d cannot be given out: is the clock right?", first)
	}
	err := l.clean()
	if err == nil {
		if err = l.room(first, len(b.buf)+frameExtra-frameHeader); err == nil {
			b.buf = l.active.seal(b.buf, b.count, first, l.active.end)
			err = l.put(b.buf)
		}
	}
	switch {
	case err == nil:
		if l.full {
			l.opts.Logger.Info("the log's disk has room again", "dir", l.opts.Dir)
		}
		l.full = false
		l.settle(b, l.active, first, nil)
	case errors.Is(err, errUndone):
		if !l.full {
			l.opts.Logger.Error("the log's disk is full: senders are refused until there is room", "dir", l.opts.Dir, "error", err)
		}
		l.full = true
		if err := l.empty(); err != nil {
			return err
		}
		l.settle(b, nil, 0, fmt.Errorf("%w: %w", queue.ErrFull, err))
	default:
		return err
	}
	return nil
}

// clean takes away what is left of a group that found no room. Until that has worked
// nothing is written: recovery would take it for a torn group, or worse, find it whole.
func (l *Log) clean() error {
	if l.undo == nil {
		return nil
	}
	err := l.undo()
	switch {
	case err == nil:
		l.undo = nil
		return nil
	case noRoom(err):
		return fmt.Errorf("%w: %w", errUndone, err)
	}
	return fmt.Errorf("undo a write to the log: %w", err)
}

// undone takes away what is left of a group because of err.
func (l *Log) undone(err error, undo func() error) error {
	l.undo = undo
	if cleanErr := l.clean(); cleanErr != nil && !errors.Is(cleanErr, errUndone) {
		return errors.Join(cleanErr, err)
	}
	return fmt.Errorf("%w: %w", errUndone, err)
}

// room sees to it that the active segment has room for the next group, or makes a new
// one. Every run of a process begins with a new one.
func (l *Log) room(first uint64, size int) error {
	// A segment without records is not left behind, however large the group.
	if l.active != nil && (l.active.group == 0 || l.active.end+int64(size) <= l.opts.SegmentBytes) {
		return nil
	}
	l.mu.Lock()
	var before link
	if n := len(l.segments); n > 0 {
		before = l.segments[n-1].link()
	}
	l.mu.Unlock()
	s, f, err := createSegment(l.opts.disk, l.opts.Dir, first, before, l.opts.Keys)
	if noRoom(err) {
		path := segmentPath(l.opts.Dir, first)
		return l.undone(err, func() error {
			if err := l.opts.disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return l.opts.disk.SyncDir(l.opts.Dir)
		})
	}
	if err != nil {
		return err
	}
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			_ = f.Close()
			return fmt.Errorf("close segment: %w", err)
		}
	}
	l.active, l.file = s, f
	l.mu.Lock()
	l.segments = append(l.segments, s)
	l.total += s.size
	l.mu.Unlock()
	return nil
}

// put writes a frame behind the segment's end and syncs it. What finds no room is
// undone. A sync is not tried twice for the same data: the kernel may have dropped the
// pages that it could not write, and report success the second time.
func (l *Log) put(b []byte) error {
	f, end := l.file, l.active.end
	_, err := f.WriteAt(b, end)
	if err == nil {
		err = f.Sync()
	}
	if noRoom(err) {
		s := l.active
		return l.undone(err, func() error {
			if l.active != s {
				return nil // It was removed.
			}
			if err := f.Truncate(end); err != nil {
				return err
			}
			return f.Sync()
		})
	}
	if err != nil {
		return fmt.Errorf("write to the log: %w", err)
	}
	return nil
}

// empty removes the segments when all in them is consumed, the newest too, which is
// kept otherwise: on a full disk there is no room for the one that would take its
// place.
func (l *Log) empty() error {
	l.consumer.Lock()
	defer l.consumer.Unlock()
	l.mu.Lock()
	unneeded := l.pending == 0 && !l.held && len(l.segments) > 0
	l.mu.Unlock()
	if !unneeded {
		return nil
	}
	if err := l.positions.again(); err != nil {
		if noRoom(err) {
			return nil
		}
		return err
	}
	l.mu.Lock() // Nothing becomes durable meanwhile: that is the committer's work.
	gone := l.segments
	l.segments, l.total = nil, 0
	l.mu.Unlock()
	l.read.close()
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			return fmt.Errorf("close segment: %w", err)
		}
		l.active, l.file = nil, nil
	}
	for _, s := range gone {
		if err := l.opts.disk.Remove(s.path); err != nil {
			return fmt.Errorf("remove consumed segment: %w", err)
		}
	}
	if err := l.opts.disk.SyncDir(l.opts.Dir); err != nil && !noRoom(err) {
		return fmt.Errorf("sync log folder: %w", err)
	}
	return nil
}

// settle notes what has become durable and answers the batch's requests.
func (l *Log) settle(b *batch, s *segment, first uint64, err error) {
	l.mu.Lock()
	l.reserved -= b.need
	if err == nil {
		n := int64(len(b.buf))
		s.group = s.end
		s.end += n
		s.size += n
		l.total += n
		s.last = first + uint64(b.count) - 1
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
		signal(l.unmarked)
	}
}

// fail refuses all work from now on. Whoever waits is answered by the committer.
func (l *Log) fail(err error) {
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = fmt.Errorf("the log has failed and must be opened again: %w", err)
		close(l.failed)
	}
	l.mu.Unlock()
	if first {
		l.opts.Logger.Error("the log has failed", "dir", l.opts.Dir, "error", err)
		signal(l.kick)
	}
}
