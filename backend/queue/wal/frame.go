package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A frame is a group of records on disk, little endian:
//
//	 0  magic            4
//	 4  payload length   4
//	 8  record count     4
//	12  first version    8
//	20  payload CRC32C   4
//	24  header CRC32C    4   of the 24 bytes before
//	28  payload              count times: length as a uvarint, the record
//
// Both checksums start from the segment's salt, a random number that no sender
// knows. Records hold what senders sent, byte for byte; without the salt one
// could send what looks like a frame, and after a torn write recovery would take
// it for a later, whole group.
//
// The header has a checksum of its own so that a wrong length is not followed, and
// so that looking for a frame in the middle of nowhere is cheap.
const (
	frameHeader = 28
	frameMagic  = 0x47574c46 // "FLWG"

	// maxFrame bounds a group: the length is 32 bits, and int must hold it.
	maxFrame = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// What parseFrame finds.
var (
	errShort = errors.New("the frame goes on behind the end")
	errBad   = errors.New("no frame")
)

// frame is a group of records.
type frame struct {
	first   uint64
	count   int
	payload []byte
}

// size returns the bytes that the frame takes.
func (f frame) size() int { return frameHeader + len(f.payload) }

// lastVersion returns the version of the last record, or the one that an empty
// frame carries.
func (f frame) lastVersion() uint64 { return f.first + uint64(max(f.count, 1)) - 1 }

// sealFrame writes the header into b[:frameHeader]; the payload follows it.
func sealFrame(b []byte, count int, first uint64, salt uint32) {
	payload := b[frameHeader:]
	binary.LittleEndian.PutUint32(b[0:], frameMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[8:], uint32(count))
	binary.LittleEndian.PutUint64(b[12:], first)
	binary.LittleEndian.PutUint32(b[20:], crc32.Update(salt, castagnoli, payload))
	binary.LittleEndian.PutUint32(b[24:], crc32.Update(salt, castagnoli, b[:24]))
}

// parseHeader reads the header at the front of b and returns the whole frame's
// size and first version. It returns errShort when b ends before the header does.
func parseHeader(b []byte, salt uint32) (size int, first uint64, err error) {
	if len(b) < frameHeader {
		return frameHeader, 0, errShort
	}
	length := binary.LittleEndian.Uint32(b[4:])
	if binary.LittleEndian.Uint32(b) != frameMagic || length > maxFrame ||
		binary.LittleEndian.Uint32(b[24:]) != crc32.Update(salt, castagnoli, b[:24]) {
		return 0, 0, errBad
	}
	return frameHeader + int(length), binary.LittleEndian.Uint64(b[12:]), nil
}

// parseFrame reads the frame at the front of b, whose bytes it shares. It returns
// errShort when a good header promises more than b has, errBad for anything that
// is not a frame. It allocates nothing.
func parseFrame(b []byte, salt uint32) (frame, error) {
	size, first, err := parseHeader(b, salt)
	if err != nil {
		return frame{}, err
	}
	if size > len(b) {
		return frame{}, errShort
	}
	f := frame{first: first, count: int(binary.LittleEndian.Uint32(b[8:])), payload: b[frameHeader:size:size]}
	if binary.LittleEndian.Uint32(b[20:]) != crc32.Update(salt, castagnoli, f.payload) {
		return frame{}, errBad
	}
	rest := f.payload
	for range f.count {
		var ok bool
		if _, rest, ok = cutRecord(rest); !ok {
			return frame{}, errBad
		}
	}
	if len(rest) != 0 {
		return frame{}, errBad
	}
	return f, nil
}

// cutRecord takes the first record off a payload.
func cutRecord(b []byte) (record, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	end := w + int(n)
	return b[w:end:end], b[end:], true
}

// recordSize returns the bytes that a record takes in a payload.
func recordSize(record []byte) int {
	n := 1
	for l := len(record); l >= 0x80; l >>= 7 {
		n++
	}
	return n + len(record)
}
