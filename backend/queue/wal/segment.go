package wal

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// A segment begins with its header, twice, each in a sector of its own: without the
// salt no frame can be told from noise, so one rotten sector must not take it. Little
// endian:
//
//	  0  magic       8
//	  8  format      4
//	 12  cipher      4   0 none, 1 AES-256-GCM
//	 16  base        8   no record in it has a lower version
//	 24  the segment before: its base, end and last version; 8 each
//	 48  salt       32   random
//	 80  key         8   which one, see Keys; zeros without
//	 88  zeros
//	508  CRC32C      4   of the 508 bytes before
//
// What it says about the segment before makes the log a chain: a file that was cut off
// between two frames, or that is missing, is noticed, and what a torn write left
// behind that end is known for what it is.
const (
	segmentMagic  = "FLOWGWAL"
	segmentFormat = 1
	segmentHeader = 2 * sector
	segmentSuffix = ".wal"
	cipherNone    = 0
	cipherGCM     = 1
)

// segment is a file of the log.
type segment struct {
	path string
	base uint64

	format uint32
	start  int64 // of the first frame
	before link
	key    string // hex; empty when it is not encrypted
	spoilt bool   // one of the header's copies is broken
	broken bool   // both are
	unmade bool   // its creation need not have ended
	codec

	size  int64  // of the file
	group int64  // offset of the last frame, 0 when there is none
	end   int64  // of the last frame that is durable
	read  int64  // where to read what is not consumed
	last  uint64 // highest version in it, or base-1
}

// link names a segment and how far it goes.
type link struct {
	base uint64 // 0: there is none
	end  int64
	last uint64
}

// link returns how far the segment goes.
func (s *segment) link() link { return link{s.base, s.end, s.last} }

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
		if err != nil || base == 0 || base > maxVersion {
			continue
		}
		segments = append(segments, &segment{path: filepath.Join(dir, name), base: base})
	}
	slices.SortFunc(segments, func(a, b *segment) int { return cmp.Compare(a.base, b.base) })
	return segments, nil
}

// createSegment makes a segment's file, durable with its name, and returns it open.
// After an error the file may be there or not.
func createSegment(fsys disk.FS, dir string, base uint64, before link, keys *Keys) (*segment, disk.File, error) {
	b := make([]byte, sector)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentFormat)
	binary.LittleEndian.PutUint64(b[16:], base)
	binary.LittleEndian.PutUint64(b[24:], before.base)
	binary.LittleEndian.PutUint64(b[32:], uint64(before.end))
	binary.LittleEndian.PutUint64(b[40:], before.last)
	if _, err := rand.Read(b[48:80]); err != nil {
		return nil, nil, fmt.Errorf("draw salt: %w", err)
	}
	if id, ok := keys.current(); ok {
		binary.LittleEndian.PutUint32(b[12:], cipherGCM)
		copy(b[80:88], id[:])
	}
	binary.LittleEndian.PutUint32(b[508:], crc32.Checksum(b[:508], castagnoli))

	s := &segment{path: segmentPath(dir, base), base: base, size: segmentHeader, end: segmentHeader, last: base - 1}
	if err := s.parseHeader(b, keys); err != nil {
		return nil, nil, fmt.Errorf("create segment: %w", err)
	}
	f, err := fsys.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, nil, fmt.Errorf("create segment: %w", err)
	}
	if _, err = f.WriteAt(append(b, b...), 0); err == nil {
		if err = f.Sync(); err == nil {
			err = fsys.SyncDir(dir)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("create segment: %w", errors.Join(err, f.Close()))
	}
	return s, f, nil
}

// parseHeader reads one copy of a segment's header into s. The error is errBad, errShort,
// or says what this release cannot read.
func (s *segment) parseHeader(b []byte, keys *Keys) error {
	if len(b) < sector {
		return errShort
	}
	b = b[:sector]
	if string(b[:8]) != segmentMagic ||
		binary.LittleEndian.Uint32(b[508:]) != crc32.Checksum(b[:508], castagnoli) ||
		binary.LittleEndian.Uint64(b[16:]) != s.base {
		return errBad
	}
	s.format = binary.LittleEndian.Uint32(b[8:])
	method := binary.LittleEndian.Uint32(b[12:])
	if s.format != segmentFormat || method > cipherGCM {
		return fmt.Errorf("%s has format %d and cipher %d, which a newer release wrote: use that one", s.path, s.format, method)
	}
	before := link{
		base: binary.LittleEndian.Uint64(b[24:]),
		end:  int64(binary.LittleEndian.Uint64(b[32:])),
		last: binary.LittleEndian.Uint64(b[40:]),
	}
	if max(s.base, before.base, before.last) > maxVersion || before.end < 0 {
		return errBad
	}
	s.before = before
	s.start = segmentHeader
	s.codec = codec{salt: binary.LittleEndian.Uint32(b[48:])}
	if method == cipherNone {
		return nil
	}
	s.key = hex.EncodeToString(b[80:88])
	key, ok := keys.find([keyID]byte(b[80:88]))
	if !ok {
		s.opaque = true
		return nil
	}
	var err error
	s.aead, err = segmentCipher(key, b[48:80], b[:508])
	return err
}
