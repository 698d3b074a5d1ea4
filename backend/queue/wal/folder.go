package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// folder is what is in a log's folder. Reading it changes nothing.
type folder struct {
	fs         disk.FS
	dir        string
	keys       *Keys
	position   *position
	consumed   []*segment // their records are stored elsewhere; they need not be whole
	segments   []*segment // the others, by base
	unfinished *segment   // the newest, if its creation did not end
}

// readFolder reads the position and the segments' headers.
func readFolder(fsys disk.FS, dir string, keys *Keys) (*folder, error) {
	f := &folder{fs: fsys, dir: dir, keys: keys}
	var err error
	if f.position, err = readPosition(fsys, dir); err != nil {
		return nil, err
	}
	if f.segments, err = listSegments(fsys, dir); err != nil {
		return nil, err
	}
	for _, s := range f.segments {
		if err := f.readHeader(s); err != nil {
			return nil, err
		}
	}
	if n := len(f.segments); n > 0 && f.segments[n-1].unmade && f.segments[n-1].base != f.position.state.mark.base {
		f.unfinished, f.segments = f.segments[n-1], f.segments[:n-1]
	}
	needed := f.firstNeeded()
	f.consumed, f.segments = f.segments[:needed], f.segments[needed:]
	return f, nil
}

// readHeader reads a segment's header. That it is broken is no error yet.
func (f *folder) readHeader(s *segment) (err error) {
	file, err := f.fs.OpenFile(s.path, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer func() { _ = file.Close() }()
	if s.size, err = file.Size(); err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	b := make([]byte, min(s.size, segmentHeader))
	if _, err := file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read segment: %w", err)
	}
	return s.readHeader(b, f.keys)
}

// readHeader reads both copies of the header, which b begins with.
func (s *segment) readHeader(b []byte, keys *Keys) error {
	s.start, s.last = segmentHeader, s.base-1
	first, second := b[:min(sector, len(b))], b[min(sector, len(b)):]
	s.spoilt = !bytes.Equal(first, second)
	err := s.parseHeader(first, keys)
	if isBad(err) {
		err = s.parseHeader(second, keys)
	}
	if err != nil && !isBad(err) {
		return err
	}
	s.broken = err != nil
	s.end = s.start
	// Records come only when the header is durable.
	s.unmade = (s.broken || s.spoilt) && s.size <= segmentHeader
	return nil
}

func isBad(err error) bool { return errors.Is(err, errBad) || errors.Is(err, errShort) }

// firstNeeded returns the first segment that may hold records that are not consumed.
func (f *folder) firstNeeded() int {
	consumed := f.position.state.consumed
	for i := len(f.segments) - 1; i > 0; i-- {
		s := f.segments[i]
		if s.base <= consumed+1 || !s.broken && s.before.last <= consumed {
			return i
		}
	}
	return 0
}

// needKeys returns an error when a segment is encrypted with a key that is not there.
func (f *folder) needKeys() error {
	for _, s := range f.segments {
		if !s.broken && s.opaque {
			return f.keys.missingKey(s)
		}
	}
	return nil
}

// follows says that a segment knows another as the one before it.
func (s *segment) follows(other *segment) bool {
	return !s.broken && s.before.base == other.base
}

// checkChain reports that the segment before one is missing.
func (f *folder) checkChain(i int, last uint64, v visitor) error {
	s := f.segments[i]
	if s.broken || i > 0 && s.follows(f.segments[i-1]) {
		return nil
	}
	if i == 0 && !f.position.intact {
		// The last Commit may be what cannot be read in the position file. Since its
		// segments are gone, it was.
		f.position.state.consumed = max(f.position.state.consumed, s.before.last)
	}
	return f.missing(s.before, last, queue.Version(s.base), v)
}

// checkMark reports that the segment that the mark names is missing, and with it the
// newest.
func (f *folder) checkMark(last uint64, v visitor) error {
	mark := f.position.state.mark
	if n := len(f.segments); n > 0 && f.segments[n-1].base >= mark.base {
		return nil
	}
	return f.missing(mark, last, 0, v)
}

// missing reports a segment that is not there, unless it was consumed or had no records.
func (f *folder) missing(l link, last uint64, before queue.Version, v visitor) error {
	if l.base == 0 || l.last < l.base || l.last <= f.position.state.consumed {
		return nil
	}
	return v.damage(Damage{
		File: segmentPath(f.dir, l.base), To: l.end, Missing: true,
		After: queue.Version(max(last, f.position.state.consumed)), Before: before,
	})
}
