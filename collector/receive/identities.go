package receive

import (
	"hash/maphash"

	"github.com/flowgauge/flowgauge/backend/event"
)

// identities finds an event's identity among those of a request before it. It is an
// open-addressed table with linear probing: a map of event.Identity hashes five
// fields by reflection-made code and takes three times as long, and this is done
// for every event.
type identities struct {
	seed  maphash.Seed
	slots []int32 // 1 + index into known; 0 is free; a power of two of them
	known []identity
}

type identity struct {
	event.Identity
	place int
}

// put notes an identity with its place and returns the place that it had, or -1.
func (s *identities) put(id event.Identity, place int) int {
	if 2*len(s.known) >= len(s.slots) {
		s.grow()
	}
	for i := s.start(&id); ; i++ {
		slot := &s.slots[i&(len(s.slots)-1)]
		if *slot == 0 {
			s.known = append(s.known, identity{id, place})
			*slot = int32(len(s.known))
			return -1
		}
		if k := &s.known[*slot-1]; k.Identity == id {
			before := k.place
			k.place = place
			return before
		}
	}
}

// start is where an identity is looked for first. The seed is random, so no sender
// can choose ids that all start in one place.
func (s *identities) start(id *event.Identity) int {
	h := maphash.String(s.seed, id.ID)
	h ^= uint64(id.Time)*0x9e3779b97f4a7c15 ^ uint64(id.Kind)<<8 ^ uint64(id.Phase)
	h ^= h >> 32
	return int(h & (1<<31 - 1))
}

func (s *identities) grow() {
	if s.slots == nil {
		s.seed = maphash.MakeSeed()
	}
	s.slots = make([]int32, max(256, 4*len(s.known)))
	for n := range s.known {
		i := s.start(&s.known[n].Identity)
		for s.slots[i&(len(s.slots)-1)] != 0 {
			i++
		}
		s.slots[i&(len(s.slots)-1)] = int32(n + 1)
	}
}

// reset forgets everything and keeps the memory, unless there is much of it.
func (s *identities) reset() {
	if len(s.slots) > 1<<14 {
		*s = identities{}
		return
	}
	clear(s.slots)
	clear(s.known)
	s.known = s.known[:0]
}
