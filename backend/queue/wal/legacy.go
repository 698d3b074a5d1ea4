package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Format 1 of segments had a short header and no chain, its frames no end mark, and
// its position was one line of text. It is read until it is consumed, and never written.
const (
	legacyFormat = 1
	legacyHeader = 28
)

// parseLegacy reads the header of a segment of format 1: magic, format and salt as
// today but the salt at 12, the base at 16, and at 24 the checksum.
func (s *segment) parseLegacy(b []byte) error {
	switch {
	case len(b) < legacyHeader:
		return errShort
	case string(b[:8]) != segmentMagic,
		binary.LittleEndian.Uint32(b[8:]) != legacyFormat,
		binary.LittleEndian.Uint32(b[24:]) != crc32.Checksum(b[:24], castagnoli),
		binary.LittleEndian.Uint64(b[16:]) != s.base:
		return errBad
	}
	s.format, s.start = legacyFormat, legacyHeader
	s.codec = codec{salt: binary.LittleEndian.Uint32(b[12:])}
	return nil
}

// isLegacyFrame says that b, a segment's begin, has a frame where format 1 has its first.
func isLegacyFrame(b []byte) bool {
	return len(b) >= legacyHeader+4 && binary.LittleEndian.Uint32(b[legacyHeader:]) == frameMagic
}

// parseLegacyPosition reads the whole content of format 1's position file.
func parseLegacyPosition(b []byte) (consumed uint64, ok bool) {
	const line = "flowgauge log position 1: %020d %08x\n"
	var sum uint32
	if _, err := fmt.Sscanf(string(b), line, &consumed, &sum); err != nil {
		return 0, false
	}
	return consumed, consumed <= maxVersion && string(b) == fmt.Sprintf(line, consumed, crc32.Checksum(fmt.Appendf(nil, "%d", consumed), castagnoli))
}
