package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// ErrDamaged says that acknowledged records in the log are broken. The error that
// wraps it is a DamagedError.
var ErrDamaged = errors.New("the log is damaged")

// DamagedError says where the log is broken and what can be done.
type DamagedError struct {
	File   string
	Offset int64
	After  uint64 // version of the last whole record before the damage
}

// Error names the place and the ways out.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("%v: %s is broken at byte %d, behind version %d. It holds acknowledged events: restore the file "+
		"from a copy, or move it out of the folder to go on without what it holds, and send that again",
		ErrDamaged, e.File, e.Offset, e.After)
}

// Unwrap returns ErrDamaged.
func (e *DamagedError) Unwrap() error { return ErrDamaged }

// recover reads the folder and makes it fit to go on: what is consumed is removed,
// a torn end is cut off, and the newest segment becomes the active one.
func (l *Log) recover() error {
	position, err := l.readPosition()
	if err != nil {
		return err
	}
	segments, err := listSegments(l.opts.disk, l.opts.Dir)
	if err != nil {
		return err
	}
	l.position, l.last = position, position
	for i, s := range segments {
		newest := i == len(segments)-1
		if !newest && segments[i+1].base <= position+1 {
			// Consumed; the process ended before it was removed.
			if err := l.opts.disk.Remove(s.path); err != nil {
				return fmt.Errorf("remove consumed segment: %w", err)
			}
			continue
		}
		gone, err := l.scan(s, newest)
		if err != nil {
			return err
		}
		if gone {
			continue
		}
		l.segments = append(l.segments, s)
		l.total += s.end
		l.last = max(l.last, s.last)
	}
	if position == 0 {
		// It is there from the start, so that a full disk cannot keep it from being.
		if err := l.writePosition(0); err != nil {
			return err
		}
	}
	return l.activate()
}

// activate opens the newest segment for writing, or makes the first one.
func (l *Log) activate() error {
	if len(l.segments) == 0 {
		s, f, err := l.create(max(uint64(max(0, l.opts.Now().UnixMicro())), l.last+1))
		if err != nil {
			return err
		}
		l.segments, l.file, l.total = []*segment{s}, f, s.end
		l.last = max(l.last, s.last)
		return nil
	}
	s := l.segments[len(l.segments)-1]
	f, err := l.opts.disk.OpenFile(s.path, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	// What the last process wrote and did not sync is handed out from now on.
	if err := errors.Join(f.Sync(), l.syncDir()); err != nil {
		_ = f.Close()
		return fmt.Errorf("sync segment: %w", err)
	}
	l.file = f
	return nil
}

// scan reads a whole segment, counts what is pending in it, and deals with its
// end. gone says that it was removed, never having held a record.
func (l *Log) scan(s *segment, newest bool) (gone bool, err error) {
	b, err := disk.ReadFile(l.opts.disk, s.path)
	if err != nil {
		return false, fmt.Errorf("read segment: %w", err)
	}
	switch err := s.parse(b); {
	case err == nil:
	case !errors.Is(err, errShort) && !errors.Is(err, errBad):
		return false, err
	case newest && len(b) <= segmentHeader:
		// It was being created. Records come only after the header is durable.
		l.opts.Logger.Warn("an unfinished log segment was removed", "file", s.path)
		if err := l.opts.disk.Remove(s.path); err != nil {
			return false, fmt.Errorf("remove unfinished segment: %w", err)
		}
		return true, l.syncDir()
	default:
		return false, &DamagedError{File: s.path, After: l.last}
	}
	for s.end < int64(len(b)) {
		g, err := parseFrame(b[s.end:], s.salt)
		if err != nil || (g.count > 0 && g.first <= s.last) {
			if !newest || frameFollows(b[s.end+1:], s.salt) {
				return false, &DamagedError{File: s.path, Offset: s.end, After: max(l.last, s.last)}
			}
			return false, l.cutTorn(s, b[s.end:])
		}
		l.note(g)
		s.end += int64(g.size())
		s.last = max(s.last, g.lastVersion())
	}
	return false, nil
}

// note counts the records of a frame that are not consumed.
func (l *Log) note(g frame) {
	if g.count == 0 || g.lastVersion() <= l.position {
		return
	}
	first := max(g.first, l.position+1)
	if l.pending == 0 {
		l.oldest = first
	}
	l.pending += int64(g.lastVersion() - first + 1)
}

// frameFollows says whether b has a frame's header anywhere. A group is written only
// after the one before is durable, so then what is broken before it was whole once.
func frameFollows(b []byte, salt uint32) bool {
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	for {
		i := bytes.Index(b, magic)
		if i < 0 {
			return false
		}
		if _, _, err := parseHeader(b[i:], salt); err == nil {
			return true
		}
		b = b[i+1:]
	}
}

// cutTorn cuts off a group whose write did not end. Nobody was told that it is
// kept; its bytes are put aside all the same, since this cannot be told from
// rot in the very last group.
func (l *Log) cutTorn(s *segment, tail []byte) error {
	aside := fmt.Sprintf("%s.torn-%d", s.path, s.end)
	l.opts.Logger.Warn("a torn group was cut off the log's end", "file", s.path, "offset", s.end, "bytes", len(tail), "aside", aside)
	if err := writeFile(l.opts.disk, aside, tail); err != nil {
		return fmt.Errorf("put torn group aside: %w", err)
	}
	if err := l.syncDir(); err != nil {
		return fmt.Errorf("put torn group aside: %w", err)
	}
	f, err := l.opts.disk.OpenFile(s.path, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("cut torn group off: %w", err)
	}
	if err := errors.Join(f.Truncate(s.end), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cut torn group off: %w", err)
	}
	return nil
}

func writeFile(fsys disk.FS, path string, b []byte) error {
	f, err := fsys.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
