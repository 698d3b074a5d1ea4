package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// recover reads the folder, whole, and makes it fit to go on. Until all is found to be
// in order nothing is changed. Segments are never changed: what is behind the end of the
// newest stays where it is, and the next segment, which the first Append makes, says
// where that end was.
func (l *Log) recover() error {
	f, err := readFolder(l.opts.disk, l.opts.Dir, l.opts.Keys)
	if err != nil {
		return err
	}
	if err := f.needKeys(); err != nil {
		return err
	}
	var last group
	err = f.walk(visitor{
		frame: func(s *segment, at int64, g frame) error {
			l.note(last.frame, f.position.state.consumed)
			last = group{segment: s, frame: g, at: at}
			return nil
		},
		damage: func(d Damage) error {
			if d.Consumed {
				l.opts.Logger.Warn("the log is damaged where all is consumed", "file", d.File, "from", d.From, "to", d.To)
				return nil
			}
			return &DamagedError{d}
		},
	})
	if errors.Is(err, syscall.EIO) {
		return fmt.Errorf("%w: if this goes on, 'flowgauge wal salvage %s --out %s.salvaged' saves what can be read", err, l.opts.Dir, l.opts.Dir)
	}
	if err != nil {
		return err
	}
	f.warn(l.opts)
	if err := f.clean(l.opts); err != nil {
		return err
	}
	l.adopt(f)
	return l.harden(f, last)
}

// group is a frame of a segment.
type group struct {
	segment *segment
	frame   frame
	at      int64
}

// note counts the records of a frame that are not consumed.
func (l *Log) note(g frame, consumed uint64) {
	n := g.behind(consumed)
	if n > 0 && l.pending == 0 {
		l.oldest = max(g.first, consumed+1)
	}
	l.pending += n
}

// warn says what is not as it should be and no reason to refuse.
func (f *folder) warn(opts Options) {
	if f.position.lost() && len(f.segments) > 0 {
		opts.Logger.Warn("the log's position is unreadable; what is in the log comes again", "file", f.position.path)
	}
	for i, s := range f.segments {
		if s.spoilt {
			opts.Logger.Warn("a copy of a segment's header is broken; the other is used", "file", s.path)
		}
		if i == len(f.segments)-1 && s.size > s.end {
			opts.Logger.Warn("the log ends in a torn group, which nobody was told is kept; it is ignored",
				"file", s.path, "offset", s.end, "bytes", s.size-s.end)
		}
	}
}

// clean makes the position durable, and then removes what is not needed.
func (f *folder) clean(opts Options) error {
	var gone []*segment
	if f.unfinished != nil {
		opts.Logger.Warn("an unfinished log segment is removed", "file", f.unfinished.path)
		gone = append(gone, f.unfinished)
	}
	switch err := f.position.harden(); {
	case err == nil:
		gone = append(gone, f.consumed...)
	case noRoom(err):
		// A later Commit does it. Until then what is consumed stays.
		opts.Logger.Warn("no space to write the log's position", "error", err)
		f.segments = slices.Concat(f.consumed, f.segments)
	default:
		return err
	}
	for _, s := range gone {
		if err := f.fs.Remove(s.path); err != nil {
			return fmt.Errorf("remove segment: %w", err)
		}
	}
	if err := f.fs.SyncDir(opts.Dir); err != nil && !noRoom(err) {
		return fmt.Errorf("sync log folder: %w", err)
	}
	return nil
}

// adopt makes the folder the log's.
func (l *Log) adopt(f *folder) {
	state := f.position.state
	l.segments, l.positions, l.position = f.segments, f.position, state.consumed
	l.last = max(state.consumed, state.mark.last)
	for _, s := range f.segments {
		l.total += s.size
		// The base counts, too: a next segment must not have its name.
		l.last = max(l.last, s.last, s.base, s.before.last)
	}
}

// harden writes the last group of the newest segment again, as it is, or the header when
// it has none. All before it was durable when it was written; it need not be, although
// the kernel's cache shows it: after a sync that has failed the next one succeeds
// without having written a thing. Nobody sees the group, no mark passes it, and nothing
// is written behind it, before that is done.
func (l *Log) harden(f *folder, last group) error {
	if len(f.segments) == 0 {
		return nil
	}
	s := f.segments[len(f.segments)-1]
	from, end, highest := s.group, s.end, s.last
	if mark := f.position.state.mark; mark.base == s.base && mark.end >= end || s.size < end {
		l.note(last.frame, l.position)
		return nil
	}
	b, err := read(f.fs, s.path, from, end)
	if err != nil {
		return err
	}
	// The bytes are kept for another try: a sync that fails may take them from the cache.
	write := func() error { return rewrite(f.fs, s.path, b, from) }
	if err = write(); !noRoom(err) {
		l.note(last.frame, l.position)
		return err
	}
	l.opts.Logger.Warn("no space to write the log's last group again; it is held back until there is", "error", err)
	l.held = true
	if last.segment == s {
		s.end, s.last = from, last.frame.first-1
	} else {
		l.note(last.frame, l.position)
	}
	l.undo = func() error {
		if err := write(); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held = false
		if s.end < end {
			s.end, s.last = end, highest
			l.note(last.frame, l.position)
			signal(l.arrived)
		}
		return nil
	}
	return nil
}

func read(fsys disk.FS, path string, from, to int64) (_ []byte, err error) {
	file, err := fsys.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	b := make([]byte, to-from)
	if _, err := io.ReadFull(io.NewSectionReader(file, from, to-from), b); err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	return b, nil
}

func rewrite(fsys disk.FS, path string, b []byte, at int64) (err error) {
	file, err := fsys.OpenFile(path, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err = file.WriteAt(b, at); err == nil {
		err = file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write segment again: %w", err)
	}
	return nil
}
