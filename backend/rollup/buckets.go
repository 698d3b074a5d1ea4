package rollup

import (
	"cmp"
	"slices"
)

const (
	minuteSeconds  = 60
	quarterSeconds = 15 * 60
	daySeconds     = 24 * 60 * 60
)

// day is a tenant's UTC day, the unit of one recomputation.
type day struct {
	tenant string
	start  int64 // Unix seconds
}

// dayMinutes holds the changed minutes (Unix seconds) of each day.
type dayMinutes map[day][]int64

func (d dayMinutes) add(tenant string, minute int64) {
	key := day{tenant: tenant, start: floor(minute, daySeconds)}
	d[key] = append(d[key], minute)
}

func (d dayMinutes) minutes() int {
	n := 0
	for _, m := range d {
		n += len(m)
	}
	return n
}

func (d dayMinutes) sorted() []day {
	out := make([]day, 0, len(d))
	for k := range d {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b day) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.tenant, b.tenant))
	})
	return out
}

// quartersOf returns the distinct quarters of minutes, in order.
func quartersOf(minutes []int64) []int64 {
	out := make([]int64, 0, len(minutes))
	for _, m := range minutes {
		out = append(out, floor(m, quarterSeconds))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func floor(seconds, width int64) int64 { return seconds - seconds%width }
