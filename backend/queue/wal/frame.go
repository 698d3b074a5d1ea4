package wal

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A frame is a group of records on disk, little endian:
//
//	 0  magic            4
//	 4  body length      4
//	 8  record count     4
//	12  first version    8
//	20  body CRC32C      4
//	24  header CRC32C    4   of the 24 bytes before
//	28  body                 count times: length as a uvarint, the record; or that, encrypted
//	    end mark         1   not zero, see tear
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
	frameMark   = 0xe5
	frameTail   = 1 // behind the body

	// frameExtra is the most that a frame adds to its records.
	frameExtra = frameHeader + gcmTag + frameTail

	// maxFrame bounds a group: the length is 32 bits, and int must hold it.
	maxFrame = 1 << 30

	// maxVersion is some time after the year 100000: sums of versions do not overflow.
	maxVersion = 1 << 62
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// What reading a frame finds.
var (
	errShort = errors.New("the frame goes on behind the end")
	errBad   = errors.New("no frame")
)

// frame is a group of records.
type frame struct {
	first   uint64
	count   int
	payload []byte // none when its segment's key is not known
	size    int    // bytes on disk
}

// last returns the version of the last record.
func (f frame) last() uint64 { return f.first + uint64(f.count) - 1 }

// behind returns how many of the records have a version above some one.
func (f frame) behind(version uint64) int64 {
	if f.count == 0 || f.last() <= version { // the zero frame is none
		return 0
	}
	return int64(f.last() - max(f.first, version+1) + 1)
}

// codec writes and reads the frames of one segment.
type codec struct {
	salt   uint32
	aead   cipher.AEAD // nil when the segment is not encrypted
	opaque bool        // it is encrypted, and the key is not known
	nonce  uint64      // the last one that was used for writing
}

// seal makes a frame of b, which has room for the header and then the records. The
// frame is written at some offset of the segment, and only there.
func (c *codec) seal(b []byte, count int, first uint64, at int64) []byte {
	length := len(b) - frameHeader
	if c.aead != nil {
		length += c.aead.Overhead()
	}
	binary.LittleEndian.PutUint32(b[0:], frameMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(length))
	binary.LittleEndian.PutUint32(b[8:], uint32(count))
	binary.LittleEndian.PutUint64(b[12:], first)
	if c.aead != nil {
		if first <= c.nonce {
			panic("wal: a nonce would be used again") // It must never be, whatever else is wrong.
		}
		c.nonce = first
		b = encrypt(c.aead, b, at)
	}
	binary.LittleEndian.PutUint32(b[20:], crc32.Update(c.salt, castagnoli, b[frameHeader:]))
	binary.LittleEndian.PutUint32(b[24:], crc32.Update(c.salt, castagnoli, b[:24]))
	return append(b, frameMark)
}

// header reads the header at the front of b and returns the whole frame's size and
// first version. It returns errShort when b ends before the header does.
func (c *codec) header(b []byte) (frame, error) {
	if len(b) < frameHeader {
		return frame{size: frameHeader}, errShort
	}
	length, count := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	first := binary.LittleEndian.Uint64(b[12:])
	if binary.LittleEndian.Uint32(b) != frameMagic ||
		binary.LittleEndian.Uint32(b[24:]) != crc32.Update(c.salt, castagnoli, b[:24]) ||
		length > maxFrame || count == 0 || count > length || first > maxVersion {
		return frame{}, errBad
	}
	return frame{first: first, count: int(count), size: frameHeader + int(length) + frameTail}, nil
}

// parse reads the frame at the front of b, which is at some offset of the segment.
// The frame shares b's bytes, which are decrypted in place. It returns errShort when
// a good header promises more than b has, errBad for anything that is not a frame.
func (c *codec) parse(b []byte, at int64) (frame, error) {
	f, err := c.header(b)
	if err != nil {
		return f, err
	}
	if f.size > len(b) {
		return f, errShort
	}
	body := b[frameHeader : f.size-frameTail : f.size-frameTail]
	if binary.LittleEndian.Uint32(b[20:]) != crc32.Update(c.salt, castagnoli, body) || b[f.size-1] != frameMark {
		return f, errBad
	}
	if c.opaque {
		return f, nil
	}
	if c.aead != nil {
		if body, err = decrypt(c.aead, b[:f.size-frameTail], at); err != nil {
			return f, errBad
		}
	}
	rest := body
	for range f.count {
		var ok bool
		if _, rest, ok = cutRecord(rest); !ok {
			return f, errBad
		}
	}
	if len(rest) != 0 {
		return f, errBad
	}
	f.payload = body
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
