package criticalpath

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// savings returns what each task of the path saves if it took no time. The
// execution then ends with the longest chain without the task, or with the path
// less the task, whichever is later.
//
// A chain without a task passes it in the order of tasks along exactly one edge
// from a task before it to one behind it. Its length is the end of the first plus
// the longest tail of the second, so each edge says how long a chain the tasks
// that it passes over leave. cover keeps the largest for each task of the path.
func (g *graph) savings(path []int32) []int64 {
	if len(path) == 0 {
		return nil
	}
	n := len(g.tasks)
	tails := g.tails()
	// after[i] is the first place on the path behind task i, before[i] the last
	// before it.
	after, before := make([]int, n), make([]int, n)
	for i, k := 0, 0; i < n; i++ {
		before[i] = k - 1
		if k < len(path) && int(path[k]) == i {
			k++
		}
		after[i] = k
	}
	c := newCover(len(path))
	leaf := slices.Repeat([]bool{true}, n)
	for i := range g.tasks {
		t := &g.tasks[i]
		if len(t.deps) == 0 {
			c.over(0, before[i], tails[i])
		}
		for _, d := range t.deps {
			leaf[d] = false
			c.over(after[d], before[i], g.tasks[d].end-g.from+tails[i])
		}
	}
	idle := g.idle()
	for i := range g.tasks {
		if leaf[i] {
			c.over(after[i], len(path)-1, g.tasks[i].end-g.from+idle)
		}
	}
	longest := c.values()
	out := make([]int64, len(path))
	for k, i := range path {
		out[k] = max(0, min(g.tasks[i].length(), g.to-g.from-longest[k]))
	}
	return out
}

// idle is what lies between the last step's end and the execution's.
func (g *graph) idle() int64 { return g.to - g.tasks[len(g.tasks)-1].end }

// tails returns, for each task, the longest chain from when it could begin to the
// end of the execution.
func (g *graph) tails() []int64 {
	tails := slices.Repeat([]int64{g.idle()}, len(g.tasks))
	for i := len(g.tasks) - 1; i >= 0; i-- {
		t := &g.tasks[i]
		tails[i] += t.wait() + t.length()
		for _, d := range t.deps {
			tails[d] = max(tails[d], tails[i])
		}
	}
	return tails
}

// cover finds, for each place, the largest value of the ranges that hold it. A
// range of any length is two that overlap, of lengths that are powers of two; those
// are handed down by halves at the end.
type cover [][]int64

func newCover(n int) cover {
	c := make(cover, bits.Len(uint(n)))
	for l := range c {
		c[l] = make([]int64, n)
	}
	return c
}

// over adds a range, both ends included; one that ends before it begins is none.
func (c cover) over(from, to int, value int64) {
	if from > to {
		return
	}
	l := bits.Len(uint(to-from+1)) - 1
	c[l][from] = max(c[l][from], value)
	second := to - 1<<l + 1
	c[l][second] = max(c[l][second], value)
}

func (c cover) values() []int64 {
	if len(c) == 0 {
		return nil
	}
	for l := len(c) - 1; l > 0; l-- {
		half := 1 << (l - 1)
		for i, value := range c[l] {
			c[l-1][i] = max(c[l-1][i], value)
			if i+half < len(c[l-1]) {
				c[l-1][i+half] = max(c[l-1][i+half], value)
			}
		}
	}
	return c[0]
}

// work bounds what groupSavings does, in tasks and edges looked at.
const work = 20_000_000

// groupSavings works out what groups of several tasks save, those with the longest
// time on the path first.
func (g *graph) groupSavings(groups []Group, members map[string][]int32) {
	var several []int
	for i := range groups {
		if groups[i].Critical && groups[i].Steps > 1 {
			several = append(several, i)
		}
	}
	slices.SortFunc(several, func(a, b int) int {
		return cmp.Or(cmp.Compare(groups[b].OnPath(), groups[a].OnPath()), strings.Compare(groups[a].StepID, groups[b].StepID))
	})
	once := len(g.tasks)
	for i := range g.tasks {
		once += len(g.tasks[i].deps)
	}
	left := work
	ends := make([]int64, len(g.tasks))
	none := make([]bool, len(g.tasks))
	for _, i := range several {
		if left -= once; left < 0 {
			groups[i].AtLeast = true
			continue
		}
		for _, t := range members[groups[i].StepID] {
			none[t] = true
		}
		groups[i].Saving = g.to - g.idle() - g.reschedule(ends, none)
		for _, t := range members[groups[i].StepID] {
			none[t] = false
		}
	}
}

// reschedule returns when the last step ends if some took no time.
func (g *graph) reschedule(ends []int64, none []bool) int64 {
	last := g.from
	for i := range g.tasks {
		t := &g.tasks[i]
		at := g.from
		for _, d := range t.deps {
			at = max(at, ends[d])
		}
		at += t.wait()
		if !none[i] {
			at += t.length()
		}
		ends[i] = at
		last = max(last, at)
	}
	return last
}
