package wal

import (
	"errors"
	"fmt"
	"os"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// visitor is told what is in a folder. An error that it returns ends the walk.
type visitor struct {
	frame  func(s *segment, at int64, f frame) error
	damage func(Damage) error
}

// walk reads all segments that are needed, in order, and finds out where each ends.
// Only one frame is in memory at a time.
func (f *folder) walk(v visitor) error {
	var last uint64
	for i, s := range f.segments {
		if err := f.checkChain(i, last, v); err != nil {
			return err
		}
		w := &walk{folder: f, segment: s, visitor: v, last: last, limit: s.size, firm: s.size}
		if i == len(f.segments)-1 {
			w.firm = 0
			if mark := f.position.state.mark; mark.base == s.base {
				w.firm = mark.end
			}
		} else {
			next := f.segments[i+1]
			w.next = queue.Version(next.base)
			if next.follows(s) {
				w.limit, w.firm = next.before.end, next.before.end
			}
		}
		if err := w.run(); err != nil {
			return err
		}
		last = max(last, w.last)
	}
	return f.checkMark(last, v)
}

// walk reads one segment.
type walk struct {
	folder  *folder
	segment *segment
	visitor visitor
	file    disk.File
	cursor  *cursor
	limit   int64         // what is behind it is not part of the log
	firm    int64         // what is in front of it was durable
	last    uint64        // highest version read, here or before
	next    queue.Version // of the next segment, 0 if there is none
	hurt    *Damage       // what is broken in front of the cursor
}

// run reads the segment's frames, and finds its end and its last version.
func (w *walk) run() error {
	s := w.segment
	if s.broken {
		w.hurt = &Damage{File: s.path, To: s.size, After: queue.Version(w.last)}
		return w.report(s.size, w.next)
	}
	file, err := w.folder.fs.OpenFile(s.path, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer func() { _ = file.Close() }()
	w.file = file
	w.cursor = &cursor{segment: s, file: file, at: s.start, reuse: true}
	for done := false; !done; {
		at := w.cursor.at
		f, err := w.cursor.next(w.limit)
		switch {
		case err == nil && f.first > w.last:
			err = w.whole(at, f)
		case errors.Is(err, errEnd) && at >= w.firm:
			return nil
		case err == nil, errors.Is(err, errEnd), errors.Is(err, errShort), errors.Is(err, errBad):
			done, err = w.broken(at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// whole deals with a frame.
func (w *walk) whole(at int64, f frame) error {
	s := w.segment
	if err := w.report(at, queue.Version(f.first)); err != nil {
		return err
	}
	s.group, s.end = at, w.cursor.at
	s.last = max(s.last, f.last())
	w.last = max(w.last, f.last())
	if f.last() <= w.folder.position.state.consumed {
		s.read = s.end
	}
	return w.visitor.frame(s, at, f)
}

// broken deals with what is no frame. Either the segment ends there, because what is
// behind it is torn, or it is damage, and the walk goes on where there is a frame again.
func (w *walk) broken(at int64) (done bool, err error) {
	// What says where the segment ended may be forged: nothing is behind the file's end.
	next, err := findFrame(w.segment, w.file, at+1, min(w.limit, w.segment.size))
	if err != nil {
		return true, err
	}
	if w.hurt == nil {
		if at >= w.firm && next < 0 {
			torn, err := tearExplains(w.segment, w.file, at, w.limit)
			if torn || err != nil {
				return true, err
			}
		}
		w.hurt = &Damage{File: w.segment.path, From: at, After: queue.Version(w.last)}
	}
	if next < 0 {
		return true, w.report(max(w.limit, w.firm), w.next)
	}
	w.cursor.at, w.cursor.ahead = next, nil
	return false, nil
}

// report reports what is broken up to here.
func (w *walk) report(to int64, before queue.Version) error {
	if w.hurt == nil {
		return nil
	}
	d := *w.hurt
	w.hurt = nil
	d.To, d.Before = to, before
	consumed := queue.Version(w.folder.position.state.consumed)
	if d.Consumed = before > 0 && before <= consumed+1; d.Consumed {
		w.segment.read = to
	}
	d.After = max(d.After, consumed)
	return w.visitor.damage(d)
}
