package live

import (
	"hash/maphash"
	"strings"
)

// The bounds of what is told apart of one tenant within a second. What goes beyond is in
// the tenant's counts and in no user's.
const (
	maxGroups = 4096
	maxNames  = 128 << 10 // bytes
)

// tally is what was counted of a tenant since the last frame.
type tally struct {
	seed   maphash.Seed
	hash   uint64 // of the tenant
	index  map[uint64]int32
	groups []group
	names  int   // bytes of the groups' names
	folded bool  // some groups had no room
	gap    int64 // since when counts before these were lost, in Unix ms; 0: none
	events uint64
}

// group is what was counted of one user and one workflow.
type group struct {
	user, workflow string
	counts         [figures]uint32
}

func newTally(seed maphash.Seed, tenant string) *tally {
	t := &tally{seed: seed, hash: maphash.String(seed, tenant), index: map[uint64]int32{}}
	t.forget()
	return t
}

// forget empties the tally. The first group is nobody's.
func (t *tally) forget() {
	clear(t.index)
	clear(t.groups)
	t.groups = append(t.groups[:0], group{})
	t.names = 0
	t.folded, t.gap, t.events = false, 0, 0
}

// add counts one. The names need not outlive the call.
func (t *tally) add(user, workflow string, f Figure) {
	t.events++
	t.groups[t.at(user, workflow)].counts[f]++
}

// at returns a group's place.
func (t *tally) at(user, workflow string) int32 {
	if user == "" && workflow == "" {
		return 0
	}
	h := maphash.String(t.seed, user)*31 + maphash.String(t.seed, workflow)
	if i, ok := t.index[h]; ok {
		if g := &t.groups[i]; g.user == user && g.workflow == workflow {
			return i
		}
		t.folded = true // two have one hash: once in a thousand years
		return 0
	}
	if len(t.groups) == maxGroups || t.names+len(user)+len(workflow) > maxNames {
		t.folded = true
		return 0
	}
	i := int32(len(t.groups))
	t.index[h] = i
	t.groups = append(t.groups, group{user: strings.Clone(user), workflow: strings.Clone(workflow)})
	t.names += len(user) + len(workflow)
	return i
}

// empty reports whether there is nothing to tell.
func (t *tally) empty() bool { return t.events == 0 && t.gap == 0 }

// begin starts the next second. Groups that come all the time keep their places, so that
// counting them allocates nothing; when most of them do not, all are forgotten.
func (t *tally) begin() {
	used := 0
	for i := range t.groups {
		if t.groups[i].counts != [figures]uint32{} {
			used++
		}
	}
	if 2*used < len(t.groups) {
		t.forget()
		return
	}
	for i := range t.groups {
		t.groups[i].counts = [figures]uint32{}
	}
	t.folded, t.gap, t.events = false, 0, 0
}
