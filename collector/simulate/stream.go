package simulate

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// stream tells a platform's events in the order in which they are due: when an
// execution starts or ends, a step ends, a cost arises, somebody acts.
type stream struct {
	p       *Platform
	next    int64 // the hour to generate next
	clock   clock
	seq     uint64
	arena   []byte
	spare   []byte
	due     []entry // ordered from head on
	head    int
	trouble [][]incident // by service, in the hours at hand
	steps   [32]stepRun
}

// boost multiplies what starts from a moment on.
type boost struct {
	from int64
	rate float64
}

// boosted returns the platform with another rate of what starts from a moment on.
func (p *Platform) boosted(from time.Time, rate float64) *Platform {
	q := *p
	q.boost = boost{from.UnixMilli(), rate}
	return &q
}

// entry is an event in the arena. Its key is when it is due, and then the order
// in which it was generated, which does not depend on where a stream began.
type entry struct {
	key       uint64
	offset, n uint32
}

const seqBits = 22

func (e entry) at() int64 { return int64(e.key >> seqBits) }

// stream returns the events due from a moment on.
func (p *Platform) stream(from int64) *stream {
	hour := floor(from, hourMS)
	s := &stream{p: p, next: hour - lookback*hourMS, trouble: make([][]incident, len(p.services))}
	for s.next <= hour {
		s.generate(s.next + 1)
		s.drop(from)
	}
	return s
}

// take appends to dst the events due before to, and returns how many.
func (s *stream) take(to int64, dst []byte) (_ []byte, n int) {
	s.generate(to)
	start := s.head
	for s.head < len(s.due) && s.due[s.head].at() < to {
		e := s.due[s.head]
		dst = append(dst, s.arena[e.offset:e.offset+e.n]...)
		s.head++
	}
	return dst, s.head - start
}

func (s *stream) drop(before int64) {
	for s.head < len(s.due) && s.due[s.head].at() < before {
		s.head++
	}
}

// generate makes sure that whatever is due before to is there.
func (s *stream) generate(to int64) {
	if s.next >= to {
		return
	}
	s.compact()
	for s.next < to {
		s.hour(s.next)
		s.next += hourMS
	}
	slices.SortFunc(s.due, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
}

// compact throws away what was told, and numbers what is left anew.
func (s *stream) compact() {
	left := s.due[s.head:]
	arena := s.spare[:0]
	for i, e := range left {
		at := uint32(len(arena))
		arena = append(arena, s.arena[e.offset:e.offset+e.n]...)
		s.due[i] = entry{e.key>>seqBits<<seqBits + uint64(i), at, e.n}
	}
	s.due, s.head = s.due[:len(left)], 0
	s.seq, s.arena, s.spare = uint64(len(left)), arena, s.arena
}

// event ends an event that begins at an offset of the arena.
func (s *stream) event(offset int, due int64) {
	s.arena = append(s.arena, '\n')
	s.due = append(s.due, entry{
		uint64(due)<<seqBits + s.seq,
		uint32(offset), uint32(len(s.arena) - offset),
	})
	s.seq++
}

// hour generates what starts in an hour.
func (s *stream) hour(hour int64) {
	for i := range s.trouble {
		s.trouble[i] = s.p.incidents(i, hour, hour+(lookback+1)*hourMS)
	}
	l := s.p.local(hour)
	copies := 1
	if hour+hourMS > s.p.boost.from {
		copies = max(1, int(math.Ceil(s.p.boost.rate)))
	}
	for c := range copies {
		for _, w := range s.p.workflows {
			s.workflow(w, hour, l, c)
		}
		for u := range s.p.users {
			s.user(u, hour, l, c)
		}
	}
}

// told says whether something that starts at a time is told: what started before
// the origin is not, and a boost changes how much of the copies is.
func (s *stream) told(start int64, id uint64, c int) bool {
	if start < s.p.origin {
		return false
	}
	if start < s.p.boost.from || s.p.boost.rate == 0 {
		return c == 0
	}
	left := s.p.boost.rate - float64(c)
	return left >= 1 || float64(id>>11)*0x1p-53 < left
}

func floor(at, unit int64) int64 { return at - at%unit }
