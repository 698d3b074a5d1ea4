package live

// recent remembers the last identities, by their hashes: some 250,000 in 2 MiB. They lie
// in sets of four, of which the oldest goes when a fifth comes; so one is remembered for
// a while that depends on chance, and a set is one line of the processor's cache.
type recent struct{ sets [][4]uint64 }

const recentSets = 1 << 16

func newRecent() *recent { return &recent{make([][4]uint64, recentSets)} }

// seen reports whether an identity is known, and remembers it.
func (r *recent) seen(hash uint64) bool {
	hash |= 1 << 63 // 0 is an empty place
	set := &r.sets[hash%recentSets]
	for _, known := range set {
		if known == hash {
			return true
		}
	}
	set[3], set[2], set[1], set[0] = set[2], set[1], set[0], hash
	return false
}
