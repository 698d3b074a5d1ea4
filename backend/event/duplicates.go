package event

import "encoding/binary"

// Duplicates counts events that were received and left out because a later one of
// the same request has their identity. Nothing else of them is kept. It travels in
// the log beside the events of its request, so that what was received can be
// counted from the log alone, and as exactly as what was accepted.
type Duplicates struct {
	Tenant string
	Source string
	Kind   Kind
	Count  uint32
}

// AppendDuplicates appends d in the log's encoding to dst and returns it.
func AppendDuplicates(dst []byte, d *Duplicates) []byte {
	dst = append(dst, RecordDuplicates, byte(d.Kind))
	dst = appendString(dst, d.Tenant)
	dst = appendString(dst, d.Source)
	return binary.AppendUvarint(dst, uint64(d.Count))
}

// DecodeDuplicates reads what AppendDuplicates wrote into d, all of whose fields
// it sets. They share the bytes of b. It returns ErrCorrupt for any other input.
func DecodeDuplicates(b []byte, d *Duplicates) error {
	*d = Duplicates{}
	if len(b) < 2 || b[0] != RecordDuplicates || Kind(b[1]) < KindExecution || Kind(b[1]) > KindActivity {
		return ErrCorrupt
	}
	d.Kind = Kind(b[1])
	r := reader{b: b[2:]}
	d.Tenant, d.Source, d.Count = r.string(), r.string(), r.uint32()
	if r.bad || len(r.b) != 0 {
		return ErrCorrupt
	}
	return nil
}
