package live

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// A frame is what one collector counted of one tenant in one second:
//
//	version, flags, for how many ms before it counts were lost,
//	names (how many, each with its length), groups (how many, each: 1 + the user's name
//	or 0, 1 + the workflow's or 0, a mask of figures, their counts)
const frameVersion = 1

// frameFolded is the flag of a frame that has counts of users which are told as nobody's.
const frameFolded byte = 1

var errFrame = errors.New("not a frame that this release knows")

// encode writes a tally as a frame.
func (t *tally) encode(now int64) []byte {
	flags, lost := byte(0), uint64(0)
	if t.folded {
		flags = frameFolded
	}
	if t.gap > 0 {
		lost = uint64(max(1, now-t.gap))
	}
	number := map[string]uint64{}
	var texts, groups []byte
	name := func(s string) {
		if s == "" {
			groups = append(groups, 0)
			return
		}
		n, ok := number[s]
		if !ok {
			n = uint64(len(number)) + 1
			number[s] = n
			texts = append(binary.AppendUvarint(texts, uint64(len(s))), s...)
		}
		groups = binary.AppendUvarint(groups, n)
	}
	used := uint64(0)
	for i := range t.groups {
		g := &t.groups[i]
		mask := byte(0)
		for f, n := range g.counts {
			if n > 0 {
				mask |= 1 << f
			}
		}
		if mask == 0 {
			continue
		}
		used++
		name(g.user)
		name(g.workflow)
		groups = append(groups, mask)
		for _, n := range g.counts {
			if n > 0 {
				groups = binary.AppendUvarint(groups, uint64(n))
			}
		}
	}
	out := append(make([]byte, 0, 2+3*binary.MaxVarintLen64+len(texts)+len(groups)), frameVersion, flags)
	out = binary.AppendUvarint(out, lost)
	out = append(binary.AppendUvarint(out, uint64(len(number))), texts...)
	return append(binary.AppendUvarint(out, used), groups...)
}

// frameInfo is what a frame says beside its counts.
type frameInfo struct {
	lost   int64 // for how long before it counts were lost, in ms
	folded bool
}

// decode reads a frame. The names share its bytes. What it yielded before an error is
// right.
func decode(frame string, yield func(user, workflow string, c *Counts)) (info frameInfo, err error) {
	if len(frame) < 2 || frame[0] != frameVersion || frame[1] > frameFolded {
		return info, errFrame
	}
	info.folded = frame[1] == frameFolded
	r := scanner{rest: frame[2:]}
	info.lost = int64(r.number() & (1<<62 - 1))
	n := r.number()
	if n > uint64(len(r.rest)) { // each takes a byte at least
		return info, errFrame
	}
	texts := make([]string, 1, n+1)
	for range n {
		texts = append(texts, r.text())
	}
	for range r.number() {
		user, workflow, mask := r.number(), r.number(), r.byte()
		if r.bad || user >= uint64(len(texts)) || workflow >= uint64(len(texts)) {
			return info, errFrame
		}
		var c Counts
		for ; mask != 0; mask &= mask - 1 {
			c[bits.TrailingZeros8(mask)] = r.number()
		}
		if r.bad {
			return info, errFrame
		}
		yield(texts[user], texts[workflow], &c)
	}
	if r.bad || r.rest != "" {
		return info, errFrame
	}
	return info, nil
}

// scanner takes numbers and texts off the front of a frame.
type scanner struct {
	rest string
	bad  bool
}

func (s *scanner) number() (v uint64) {
	for shift := uint(0); shift < 64; shift += 7 {
		if s.rest == "" {
			break
		}
		b := s.rest[0]
		s.rest = s.rest[1:]
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	s.bad, s.rest = true, ""
	return 0
}

func (s *scanner) byte() byte {
	if s.rest == "" {
		s.bad = true
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *scanner) text() string {
	n := s.number()
	if n > uint64(len(s.rest)) {
		s.bad, s.rest = true, ""
		return ""
	}
	out := s.rest[:n]
	s.rest = s.rest[n:]
	return out
}
