package wal

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// A segment begins with a header, little endian:
//
//	 0  magic      8
//	 8  format     4
//	12  salt       4   random, see frame
//	16  base       8   no record in it has a lower version
//	24  CRC32C     4   of the 24 bytes before
const (
	segmentHeader = 28
	segmentMagic  = "FLOWGWAL"
	segmentFormat = 1
	segmentSuffix = ".wal"
)

// segment is a file of the log.
type segment struct {
	path string
	base uint64
	salt uint32
	end  int64  // what is durable; the file's size unless a write is under way
	last uint64 // highest version in it, or base-1
}

func segmentPath(dir string, base uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", base, segmentSuffix))
}

// listSegments returns the segments in a folder by their base, as their names
// tell it.
func listSegments(fsys disk.FS, dir string) ([]*segment, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list log folder: %w", err)
	}
	var segments []*segment
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, segmentSuffix)
		if !ok {
			continue
		}
		base, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			continue
		}
		segments = append(segments, &segment{path: filepath.Join(dir, name), base: base})
	}
	slices.SortFunc(segments, func(a, b *segment) int { return cmp.Compare(a.base, b.base) })
	return segments, nil
}

// create makes the segment's file, durable with its name, and returns it open.
func (l *Log) create(base uint64) (_ *segment, _ disk.File, err error) {
	s := &segment{path: segmentPath(l.opts.Dir, base), base: base, end: segmentHeader, last: base - 1}
	b := make([]byte, segmentHeader)
	if _, err := rand.Read(b[12:16]); err != nil {
		return nil, nil, fmt.Errorf("draw salt: %w", err)
	}
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentFormat)
	s.salt = binary.LittleEndian.Uint32(b[12:])
	binary.LittleEndian.PutUint64(b[16:], base)
	binary.LittleEndian.PutUint32(b[24:], crc32.Checksum(b[:24], castagnoli))

	f, err := l.opts.disk.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, nil, fmt.Errorf("create segment: %w", err)
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		if err = f.Sync(); err == nil {
			err = l.syncDir()
		}
	}
	if err != nil {
		_ = f.Close()
		_ = l.opts.disk.Remove(s.path)
		return nil, nil, fmt.Errorf("create segment: %w", err)
	}
	return s, f, nil
}

// parseSegment reads a segment's header into s.
func (s *segment) parse(b []byte) error {
	switch {
	case len(b) < segmentHeader:
		return errShort
	case string(b[:8]) != segmentMagic,
		binary.LittleEndian.Uint32(b[24:]) != crc32.Checksum(b[:24], castagnoli),
		binary.LittleEndian.Uint64(b[16:]) != s.base:
		return errBad
	}
	if format := binary.LittleEndian.Uint32(b[8:]); format != segmentFormat {
		return fmt.Errorf("%s has format %d, which a newer release wrote", s.path, format)
	}
	s.salt = binary.LittleEndian.Uint32(b[12:])
	s.end, s.last = segmentHeader, s.base-1
	return nil
}

// syncDir makes the names in the log's folder durable.
func (l *Log) syncDir() error {
	if err := l.opts.disk.SyncDir(l.opts.Dir); err != nil {
		return fmt.Errorf("sync log folder: %w", err)
	}
	return nil
}
