package disktest

import (
	"bytes"
	"math/rand/v2"
)

// file is a file: its content as reads see it and as it is durable.
type file struct {
	data    []byte
	durable []byte
	pending []change // since the last sync, in order
}

// change is a write, or a new size when data is nil.
type change struct {
	at   int64
	data []byte
}

func (f *file) bytes() int64 { return int64(len(f.data)) }

func (f *file) change(c change) {
	f.data = c.apply(f.data)
	f.pending = append(f.pending, c)
}

func (c change) apply(b []byte) []byte {
	if c.data == nil {
		return resize(b, c.at)
	}
	b = resize(b, max(int64(len(b)), c.at+int64(len(c.data))))
	copy(b[c.at:], c.data)
	return b
}

// resize cuts b, or adds zeros. It does not change what b shares with others.
func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	return append(b[:len(b):len(b)], make([]byte, size-int64(len(b)))...)
}

func (f *file) sync() {
	f.durable = bytes.Clone(f.data)
	f.pending = nil
}

// syncFails writes some of the data and forgets that there is more. Reads go on
// showing it, or what is on the disk when the kernel has dropped the pages.
func (f *file) syncFails(rng *rand.Rand) {
	f.durable = f.torn(rng)
	f.pending = nil
	if rng.IntN(2) == 0 {
		f.data = bytes.Clone(f.durable)
	}
}

// afterPowerLoss returns the file with what was synced and any of the rest.
func (f *file) afterPowerLoss(rng *rand.Rand) *file {
	b := f.torn(rng)
	return &file{data: b, durable: bytes.Clone(b)}
}

// torn returns what may be on the disk. Each sector or page is as it was after any
// number of the changes, because it may have been written back at any time, and
// the size likewise. Then the last write may be cut at any byte, with what was there
// before behind, or nothing, or zeros. The zeros that
// making a file shorter leaves in its last sector come with that sector or not at all.
func (f *file) torn(rng *rand.Rand) []byte {
	b := bytes.Clone(f.data)
	n := len(f.pending)
	shortened := n > 0 && f.pending[n-1].data == nil
	switch rng.IntN(6) {
	case 0:
		return bytes.Clone(f.durable)
	case 1:
		return b
	case 2:
		if !shortened {
			b = f.cut(b, rng)
		}
		return b
	case 3:
		b = f.scattered(512, rng)
	default:
		b = f.scattered(4096, rng)
	}
	if !shortened && rng.IntN(2) == 0 {
		b = f.cut(b, rng)
	}
	return b
}

// scattered returns a file whose units are of different times.
func (f *file) scattered(unit int, rng *rand.Rand) []byte {
	states := [][]byte{bytes.Clone(f.durable)}
	for i, c := range f.pending {
		states = append(states, c.apply(bytes.Clone(states[i])))
	}
	b := make([]byte, len(states[rng.IntN(len(states))]))
	for at := 0; at < len(b); at += unit {
		if s := states[rng.IntN(len(states))]; at < len(s) {
			copy(b[at:min(at+unit, len(b))], s[at:])
		}
	}
	return b
}

// cut takes away what was written behind some byte.
func (f *file) cut(b []byte, rng *rand.Rand) []byte {
	first := f.firstChange()
	if first >= len(b) {
		return b
	}
	at := first + rng.IntN(len(b)-first)
	clear(b[at:])
	old := 0
	if at < len(f.durable) {
		old = copy(b[at:], f.durable[at:])
	}
	if rng.IntN(2) == 0 {
		return b[:at+old]
	}
	return b
}

// firstChange returns the lowest offset that a change has touched. What is below it
// is durable and stays.
func (f *file) firstChange() int {
	first := len(f.durable)
	for _, c := range f.pending {
		first = min(first, int(c.at))
	}
	return first
}
