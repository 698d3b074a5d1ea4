package event

import (
	"encoding/binary"
	"slices"
)

// RecordFragment is the first byte of a fragment's record: AppendFragment,
// DecodeFragment.
const RecordFragment byte = 3

// AppendFragment appends f in the log's encoding to dst and returns it.
func AppendFragment(dst []byte, f *Fragment) []byte {
	dst = append(dst, RecordFragment, byte(f.Status))
	for _, s := range f.texts() {
		dst = appendString(dst, *s)
	}
	for _, n := range f.numbers() {
		dst = binary.AppendVarint(dst, *n)
	}
	dst = binary.AppendUvarint(dst, uint64(f.Attempt))
	dst = binary.AppendUvarint(dst, uint64(len(f.DependsOn)))
	for _, s := range f.DependsOn {
		dst = appendString(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(len(f.Facts)))
	for _, fact := range f.Facts {
		dst = appendString(appendString(dst, fact.Name), fact.Value)
	}
	return dst
}

// DecodeFragment reads what AppendFragment wrote. The fragment does not share the
// bytes of b, since it outlives the batch that it came with. What it allocates is
// bounded by the length of b. It returns ErrCorrupt for any other input.
func DecodeFragment(b []byte) (Fragment, error) {
	if len(b) < 2 || b[0] != RecordFragment || Status(b[1]) > StatusSkipped {
		return Fragment{}, ErrCorrupt
	}
	f := Fragment{Status: Status(b[1])}
	r := reader{b: slices.Clone(b[2:])}
	for _, s := range f.texts() {
		*s = r.string()
	}
	for _, n := range f.numbers() {
		*n = r.varint()
	}
	f.Attempt = r.uint32()
	if f.DependsOn = r.strings(nil); len(f.DependsOn) == 0 {
		f.DependsOn = nil
	}
	n := r.uvarint()
	if n > uint64(len(r.b)) { // Each takes two bytes at least.
		return Fragment{}, ErrCorrupt
	}
	for range n {
		f.Facts = append(f.Facts, Fact{Name: r.string(), Value: r.string()})
	}
	if r.bad || len(r.b) != 0 {
		return Fragment{}, ErrCorrupt
	}
	return f, nil
}

// texts are in the order of the encoding, which never changes; neither does that
// of the numbers.
func (f *Fragment) texts() [12]*string {
	return [...]*string{
		&f.Tenant, &f.Source, &f.Run, &f.Execution, &f.Workflow, &f.StepID, &f.StepType,
		&f.UserID, &f.TriggerID, &f.TriggerType, &f.ErrorType, &f.ErrorMessage,
	}
}

func (f *Fragment) numbers() [6]*int64 {
	return [...]*int64{&f.Time, &f.Start, &f.Duration, &f.QueuedTime, &f.InputSize, &f.OutputSize}
}
