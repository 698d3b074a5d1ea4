package disktest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// node is a *folder or a *file.
type node interface{ bytes() int64 }

// folder is a folder: its names as calls see them and as they are durable.
type folder struct {
	names   map[string]node
	durable map[string]node
	pending []naming // since the last sync, in order
}

// naming is a change of names that is durable as a whole or not at all: one name, or
// two when a file is renamed.
type naming map[string]node // nil takes the name away

func newFolder() *folder {
	return &folder{names: map[string]node{}, durable: map[string]node{}}
}

func (f *folder) change(n naming) {
	apply(f.names, n)
	f.pending = append(f.pending, n)
}

func (f *folder) sync() {
	f.durable = maps.Clone(f.names)
	f.pending = nil
}

func apply(names map[string]node, n naming) {
	for name, to := range n {
		if to == nil {
			delete(names, name)
		} else {
			names[name] = to
		}
	}
}

func (f *folder) bytes() int64 {
	var sum int64
	for _, n := range f.names {
		sum += n.bytes()
	}
	return sum
}

// afterPowerLoss returns the folder with its synced names and any of the others. A
// change is kept only if those before it of the same names are.
func (f *folder) afterPowerLoss(rng *rand.Rand) *folder {
	names := maps.Clone(f.durable)
	chance := []float64{0, 0.5, 1}[rng.IntN(3)]
	lost := map[string]bool{}
	for _, n := range f.pending {
		keep := rng.Float64() < chance
		for name := range n {
			keep = keep && !lost[name]
		}
		if keep {
			apply(names, n)
			continue
		}
		for name := range n {
			lost[name] = true
		}
	}
	after := newFolder()
	for _, name := range slices.Sorted(maps.Keys(names)) { // in order, for the random numbers' sake
		switch n := names[name].(type) {
		case *folder:
			after.names[name] = n.afterPowerLoss(rng)
		case *file:
			after.names[name] = n.afterPowerLoss(rng)
		}
	}
	after.durable = maps.Clone(after.names)
	return after
}
