package criticalpath

import (
	"slices"
	"strings"
)

// Figures are those of an attempt of a step. The times are parts of the critical
// path, in milliseconds: 0 off the path.
type Figures struct {
	Depth      int // steps in the longest chain that ends with it
	Critical   bool
	Superseded bool  // a later attempt counts
	Gap        int64 // nothing happened between what it waited for and it
	Queue      int64
	Retry      int64 // until the next attempt began
	Run        int64
	// Saving is how much earlier the execution would have ended, had the step
	// neither queued nor run. It is that of all attempts, and said of the last.
	Saving int64
}

// OnPath is the part of the wall clock that is the step's.
func (f Figures) OnPath() int64 { return f.Queue + f.Retry + f.Run }

// Group adds up the steps of one StepID.
type Group struct {
	StepID   string
	Steps    int // steps, each with all of its attempts
	Retries  int // attempts that another superseded
	Critical bool
	Queue    int64
	Retry    int64
	Run      int64
	// Saving is how much earlier the execution would have ended, had none of the
	// steps taken time. Two that run side by side save little alone and much
	// together.
	Saving int64
	// AtLeast says that Saving is what the best of its steps saves alone; all of
	// them were too many to work out.
	AtLeast bool
	// WaitedFor are the StepIDs of what its steps waited for, in order and each once; its
	// own is among them where steps of one name waited for each other.
	WaitedFor []string
}

// OnPath is the part of the wall clock that is the group's.
func (g Group) OnPath() int64 { return g.Queue + g.Retry + g.Run }

// Path is how an execution spent its time.
type Path struct {
	From, To int64
	Steps    []Figures // as in the input
	Groups   []Group   // by StepID, in order of its name
	// Of all steps; together they are the wall clock.
	Gap, Queue, Retry, Run int64
}

// WallClock is how long the execution took.
func (p *Path) WallClock() int64 { return p.To - p.From }

// Of works out the critical path of an execution that lasted from from to to;
// either may be Unknown and is then that of the steps.
func Of(steps []Step, from, to int64) *Path {
	g := newGraph(steps, from, to)
	p := &Path{From: g.from, To: g.to, Steps: make([]Figures, len(steps))}
	critical := g.critical()
	for i := range g.tasks {
		t := &g.tasks[i]
		for k, row := range t.rows {
			p.Steps[row].Depth = t.depth
			p.Steps[row].Superseded = k < len(t.rows)-1
		}
	}
	savings := g.savings(critical)
	for k, i := range critical {
		t := &g.tasks[i]
		p.Steps[t.rows[len(t.rows)-1]].Saving = savings[k]
		p.cut(t, steps)
	}
	for i := range p.Steps {
		f := &p.Steps[i]
		p.Queue, p.Retry, p.Run = p.Queue+f.Queue, p.Retry+f.Retry, p.Run+f.Run
	}
	p.Gap = p.WallClock() - p.Queue - p.Retry - p.Run
	p.group(g)
	return p
}

// critical returns the tasks of the path, in order.
func (g *graph) critical() []int32 {
	if len(g.tasks) == 0 {
		return nil
	}
	var path []int32
	for at := g.leads[len(g.tasks)-1]; at >= 0; {
		path = append(path, at)
		t := &g.tasks[at]
		at = -1
		for _, d := range t.deps {
			if at < 0 || g.tasks[d].end > g.tasks[at].end || g.tasks[d].end == g.tasks[at].end && g.tasks[d].began < g.tasks[at].began {
				at = d
			}
		}
	}
	slices.Reverse(path)
	return path
}

// cut shares the time of a task on the path out among its attempts.
func (p *Path) cut(t *task, steps []Step) {
	at := max(t.began, t.ready) // What lies before belongs to what it waited for.
	first := &p.Steps[t.rows[0]]
	first.Gap, first.Queue = t.wait(), max(0, t.first-at)
	at = max(at, t.first)
	for k, row := range t.rows {
		f := &p.Steps[row]
		f.Critical = true
		if k == len(t.rows)-1 {
			f.Run = t.end - at
			break
		}
		next := min(max(steps[t.rows[k+1]].Start, at), t.end)
		f.Retry = next - at
		at = next
	}
}

// group adds steps up by their StepID.
func (p *Path) group(g *graph) {
	members := map[string][]int32{}
	for i := range g.tasks {
		id := g.steps[g.tasks[i].rows[0]].StepID
		members[id] = append(members[id], int32(i))
	}
	for id, tasks := range members {
		group := Group{StepID: id, Steps: len(tasks)}
		for _, i := range tasks {
			for _, row := range g.tasks[i].rows {
				f := p.Steps[row]
				group.Critical = group.Critical || f.Critical
				group.Queue, group.Retry, group.Run = group.Queue+f.Queue, group.Retry+f.Retry, group.Run+f.Run
				group.Saving = max(group.Saving, f.Saving)
			}
			group.Retries += len(g.tasks[i].rows) - 1
			for _, d := range g.tasks[i].deps {
				group.WaitedFor = append(group.WaitedFor, g.steps[g.tasks[d].rows[0]].StepID)
			}
		}
		slices.Sort(group.WaitedFor)
		group.WaitedFor = slices.Compact(group.WaitedFor)
		p.Groups = append(p.Groups, group)
	}
	g.groupSavings(p.Groups, members)
	slices.SortFunc(p.Groups, func(a, b Group) int { return strings.Compare(a.StepID, b.StepID) })
}
