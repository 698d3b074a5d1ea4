package event

import "encoding/binary"

// AppendKey appends what decides a record's place in a log of several partitions:
// the tenant and the event's id, or the fragment's run, so that all that is ever said
// of one event is in one order. Other records have no key: they may be anywhere.
func AppendKey(dst, record []byte) ([]byte, bool) {
	var tenant, id []byte
	switch RecordType(record) {
	case RecordEvent:
		if len(record) < 4 {
			return dst, false
		}
		r := reader{b: record[3:]}
		m := fieldBit(r.uvarint())
		for _, bit := range [...]fieldBit{hasTenant, hasSource, hasID} { // the first in the mask's order
			var value []byte
			if m&bit != 0 {
				value = r.bytes()
			}
			switch bit {
			case hasTenant:
				tenant = value
			case hasID:
				id = value
			}
		}
		if r.bad {
			return dst, false
		}
	case RecordFragment:
		if len(record) < 2 {
			return dst, false
		}
		r := reader{b: record[2:]}
		tenant = r.bytes()
		_ = r.bytes() // the source
		id = r.bytes()
		if r.bad {
			return dst, false
		}
	default:
		return dst, false
	}
	dst = binary.AppendUvarint(dst, uint64(len(tenant)))
	dst = append(dst, tenant...)
	return append(dst, id...), true
}
