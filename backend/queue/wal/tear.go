package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// sector is what a disk writes as a whole. File systems write larger pages, which are
// made of sectors.
const sector = 512

// When the last group of the log is broken, it was either torn, when the power failed
// before it was durable, or it was durable and acknowledged and has rotted. The first
// is cut off; the second must not be. Two things tell them apart.
//
// The mark in the position file: what is in front of it was durable. It is at most
// markEvery behind, and at the end when the log was closed.
//
// Behind the mark, what a tear looks like. Groups are written into fresh space of a
// file that no other process run has appended to, one at a time, each after the one
// before was durable. So of a torn group every sector is either as it was written
// or as it was before, which is zeros, or not part of the file yet; and the file may
// end, or zeros begin, at any byte. A sector that is neither zeros nor right was not
// torn, but changed after it was written. The end mark, which is not zero, says that
// the group's last byte was written.
//
// A group whose records hold a whole sector of zeros may be taken for torn although it
// has rotted elsewhere, in the moment before the mark passes it. Nothing that is torn
// is taken for rotten.

// tearExplains says whether a torn write can have left what is in the file from at
// to size, at being the end of what was durable. It looks for the frame of one group.
func tearExplains(s *segment, file disk.File, at, size int64) (bool, error) {
	head := make([]byte, min(frameHeader, size-at))
	if _, err := file.ReadAt(head, at); err != nil {
		return false, fmt.Errorf("read segment: %w", err)
	}
	if len(head) < frameHeader {
		return true, nil
	}
	f, err := s.header(head)
	if err != nil {
		return tornHeader(file, head, at, size)
	}
	end := at + int64(f.size)
	if size < end {
		return true, nil
	}
	// What is behind the group was never written.
	behind, err := zeros(file, end, size)
	if err != nil || !behind {
		return false, err
	}
	if torn, err := zeros(file, end-1, end); err != nil || torn {
		return torn, err
	}
	return hasHole(file, at, end)
}

// tornHeader says whether a header that is broken can be torn: a sector's part of it
// is zeros, or it ends in zeros and nothing was written behind it.
func tornHeader(file disk.File, head []byte, at, size int64) (bool, error) {
	cut := int(min(sector-at%sector, frameHeader))
	for _, part := range [][]byte{head[:cut], head[cut:]} {
		if len(part) > 0 && allZero(part) {
			return true, nil
		}
	}
	if head[frameHeader-1] != 0 {
		return false, nil
	}
	return zeros(file, at+frameHeader, size)
}

// hasHole says whether a sector's part of the range is zeros.
func hasHole(file disk.File, from, to int64) (bool, error) {
	found := false
	err := chunks(file, from, to, func(at int64, b []byte) bool {
		for len(b) > 0 {
			n := int(min(sector-at%sector, int64(len(b))))
			found = found || allZero(b[:n])
			at, b = at+int64(n), b[n:]
		}
		return !found
	})
	return found, err
}

// zeros says whether a range has nothing else.
func zeros(file disk.File, from, to int64) (bool, error) {
	all := true
	err := chunks(file, from, to, func(_ int64, b []byte) bool {
		all = allZero(b)
		return all
	})
	return all, err
}

// findFrame returns the offset of the first header of a frame in a range, or -1. A group
// is written only after the one before is durable, so what is broken in front of a
// frame was whole once.
func findFrame(s *segment, file disk.File, from, to int64) (int64, error) {
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	found := int64(-1)
	var kept []byte // the end of the last chunk, where a header may begin
	err := chunks(file, from, to, func(at int64, b []byte) bool {
		start := at - int64(len(kept))
		b = append(kept, b...)
		for i := 0; ; i++ {
			next := bytes.Index(b[i:], magic)
			if next < 0 {
				break
			}
			i += next
			if _, err := s.header(b[i:]); err == nil {
				found = start + int64(i)
				return false
			}
		}
		kept = bytes.Clone(b[max(0, len(b)-frameHeader+1):])
		return true
	})
	return found, err
}

// chunks reads a range in pieces that end where a sector does, until f returns false.
func chunks(file disk.File, from, to int64, f func(at int64, b []byte) bool) error {
	b := make([]byte, min(readAhead, max(0, to-from)))
	for at := from; at < to; {
		n := min(int64(len(b)), to-at)
		if at+n < to && n > sector {
			n -= (at + n) % sector
		}
		read, err := file.ReadAt(b[:n], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read segment: %w", err)
		}
		clear(b[read:n]) // behind the file's end
		if !f(at, b[:n]) {
			return nil
		}
		at += n
	}
	return nil
}

func allZero(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
