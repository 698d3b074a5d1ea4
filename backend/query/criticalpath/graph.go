// Package criticalpath explains how long one execution took: which of its steps
// its end had to wait for, what each of them spent queueing, running and being
// retried, and how much earlier the execution would have ended without it.
//
// A step waited for the steps in its dependsOn; where none of those is known, for
// the one that ended last before it began. The critical path goes from the step
// that ended last back along the one that each had to wait for the longest. It
// cuts the wall clock of the execution into parts that do not overlap:
//
//	|gap| queue | retry | run |  queue  |   run   |gap|
//	from      extract              load              to
//
// queue is the wait from when a step was queued until its first attempt began,
// retry lasts from there to the beginning of the attempt that counts, with the
// pauses between attempts, run is that attempt. What belongs to no step is a gap.
// A dependency that ended after what depends on it was not waited for; of a circle
// one edge is left out. Times outside the execution's are cut at its ends.
package criticalpath

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strings"
)

// Unknown is a moment that is not known. Moments are not before 1970.
const Unknown int64 = -1

// Step is an attempt of a step. Times are in milliseconds.
type Step struct {
	ID         string // attempts of one step may share it
	StepID     string // what the workflow calls the step
	Queued     int64  // Unknown if the source does not say
	Start, End int64
	Attempt    uint32 // from 1; 0 is not known
	Failed     bool
	DependsOn  []string // IDs
}

// task is a step with its attempts, in order.
type task struct {
	rows  []int   // of the input
	began int64   // queued or, not known, started
	first int64   // beginning of the first attempt
	end   int64   // of the last attempt to end
	deps  []int32 // positions of what it waited for, smaller than its own
	ready int64   // when the last of deps had ended
	depth int
}

// wait is what lies between the end of what a task waited for and itself.
func (t *task) wait() int64 { return max(0, t.began-t.ready) }

// length is what the task itself adds to the schedule.
func (t *task) length() int64 { return t.end - max(t.began, t.ready) }

// graph has the tasks in an order in which each comes after what it waited for;
// their ends do not fall in it.
type graph struct {
	from, to int64
	tasks    []task
	steps    []Step
	// leads has, for each task, the one that began first of those that ended when it
	// did and do not come behind it: of several that one waited for, it says the most.
	leads []int32
}

func newGraph(steps []Step, from, to int64) *graph {
	g := &graph{from: from, to: to, steps: steps}
	groups := attempts(steps)
	g.bound(steps)
	byEnd := make([]task, len(groups))
	for i, rows := range groups {
		t := &byEnd[i]
		t.rows = rows
		t.first = g.clamp(steps[rows[0]].Start)
		t.began = t.first
		if queued := steps[rows[0]].Queued; queued != Unknown {
			t.began = min(t.first, g.clamp(queued))
		}
		t.end = t.first
		for _, row := range rows {
			t.end = max(t.end, g.clamp(steps[row].Start), g.clamp(steps[row].End))
		}
	}
	slices.SortFunc(byEnd, func(a, b task) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.began, b.began), strings.Compare(steps[a.rows[0]].ID, steps[b.rows[0]].ID))
	})
	g.order(byEnd)
	g.follow()
	return g
}

// bound finds the ends of the execution that are not known.
func (g *graph) bound(steps []Step) {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for _, s := range steps {
		first, last = min(first, s.Start), max(last, s.Start, s.End)
		if s.Queued != Unknown {
			first = min(first, s.Queued)
		}
	}
	if len(steps) == 0 {
		first, last = max(g.from, g.to), g.from
	}
	if g.from == Unknown {
		g.from = first
	}
	if g.to == Unknown {
		g.to = last
	}
	g.to = max(g.to, g.from)
}

func (g *graph) clamp(at int64) int64 { return min(max(at, g.from), g.to) }

// order puts tasks behind what they waited for, and otherwise by their ends.
// Dependencies point to tasks that ended earlier or at the same moment, so only
// those of one moment can make a circle.
func (g *graph) order(in []task) {
	byID := make(map[string]int32, len(g.steps))
	for i := range in {
		for _, row := range in[i].rows {
			byID[g.steps[row].ID] = int32(i)
		}
	}
	wanted := make([][]int32, len(in))
	for i := range in {
		wanted[i] = g.dependencies(int32(i), in, byID)
	}
	const unseen, open = -1, -2
	position := slices.Repeat([]int32{unseen}, len(in))
	g.tasks = make([]task, 0, len(in))
	var stack []int32
	for root := range in {
		if position[root] == unseen {
			stack = append(stack, int32(root))
		}
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			position[i] = open
			if len(wanted[i]) == 0 {
				stack = stack[:len(stack)-1]
				position[i] = int32(len(g.tasks))
				g.tasks = append(g.tasks, in[i])
				continue
			}
			d := wanted[i][0]
			if position[d] == unseen {
				stack = append(stack, d)
				continue // It is looked at again when it has its position.
			}
			if wanted[i] = wanted[i][1:]; position[d] != open { // Else it closes a circle.
				in[i].deps = append(in[i].deps, position[d])
			}
		}
	}
}

// dependencies lists, each once, the tasks that a task may have waited for.
func (g *graph) dependencies(i int32, in []task, byID map[string]int32) []int32 {
	var out []int32
	for _, row := range in[i].rows {
		for _, id := range g.steps[row].DependsOn {
			if d, ok := byID[id]; ok && d != i && in[d].end <= in[i].end {
				out = append(out, d)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// follow gives tasks without dependencies the one that ended last before they
// began, and works out since when each could begin.
func (g *graph) follow() {
	g.leads = make([]int32, len(g.tasks))
	for i := range g.tasks {
		t := &g.tasks[i]
		g.leads[i] = int32(i)
		if i > 0 && g.tasks[i-1].end == t.end && g.tasks[g.leads[i-1]].began <= t.began {
			g.leads[i] = g.leads[i-1]
		}
		if len(t.deps) == 0 {
			ended := sort.Search(i, func(k int) bool { return g.tasks[k].end > t.began })
			if ended > 0 {
				t.deps = append(t.deps, g.leads[ended-1])
			}
		}
		t.ready = g.from
		for _, d := range t.deps {
			t.ready = max(t.ready, g.tasks[d].end)
			t.depth = max(t.depth, g.tasks[d].depth)
		}
		t.depth++
	}
}
