package otlp

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// wire reads the fields of a protobuf message one by one, in place. Nothing is
// copied or allocated, and a message that nobody asks for is passed over by its
// length.
type wire struct {
	b   []byte
	bad bool

	// The field that next has read.
	tag  uint64 // its number and wire type
	data []byte // of a field of bytes
	bits uint64 // of a number
}

// The wire types that OTLP uses.
const (
	varint  = uint64(protowire.VarintType)
	fixed64 = uint64(protowire.Fixed64Type)
	length  = uint64(protowire.BytesType)
	fixed32 = uint64(protowire.Fixed32Type)
)

// next reads the next field; false is the end, or no protobuf.
func (w *wire) next() bool {
	if len(w.b) == 0 {
		return false
	}
	var ok bool
	if w.tag, ok = w.uvarint(); !ok {
		return false
	}
	if n := w.tag >> 3; n == 0 || n > uint64(protowire.MaxValidNumber) {
		return w.fail()
	}
	switch w.tag & 7 {
	case length:
		n, ok := w.uvarint()
		if !ok || n > uint64(len(w.b)) {
			return w.fail()
		}
		w.data, w.b = w.b[:n:n], w.b[n:]
	case varint:
		if w.bits, ok = w.uvarint(); !ok {
			return false
		}
	case fixed64:
		if len(w.b) < 8 {
			return w.fail()
		}
		w.bits, w.b = binary.LittleEndian.Uint64(w.b), w.b[8:]
	case fixed32:
		if len(w.b) < 4 {
			return w.fail()
		}
		w.bits, w.b = uint64(binary.LittleEndian.Uint32(w.b)), w.b[4:]
	default: // A group, which OTLP has never had, or no protobuf.
		n := protowire.ConsumeFieldValue(protowire.Number(w.tag>>3), protowire.Type(w.tag&7), w.b)
		if n < 0 {
			return w.fail()
		}
		w.b = w.b[n:]
	}
	return true
}

func (w *wire) fail() bool {
	w.b, w.bad = nil, true
	return false
}

func (w *wire) uvarint() (uint64, bool) {
	if len(w.b) > 0 && w.b[0] < 0x80 {
		v := uint64(w.b[0])
		w.b = w.b[1:]
		return v, true
	}
	v, n := protowire.ConsumeVarint(w.b)
	if n < 0 {
		return 0, w.fail()
	}
	w.b = w.b[n:]
	return v, true
}
