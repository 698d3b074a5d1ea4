package live

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// View says what a Window shows, and to whom.
type View struct {
	Tenant string
	All    bool     // the whole tenant's counts
	Users  []string // else those of these users

	// Minimum shows no counts of fewer different users, and then of whole minutes only,
	// so that what one user did cannot be told from two windows. It needs a span of a
	// minute and no workflows. 0 and 1 show all.
	Minimum int

	Workflows  []string // keeps these; none: all
	ByWorkflow bool     // tells workflows apart, the busiest Limit of them
	Limit      int
	Span       time.Duration // up to Longest
}

// Reasons for which counts are not all there.
const (
	ReasonAway      = "redis_away"     // Redis does not answer
	ReasonNobody    = "not_counting"   // no collector counts
	ReasonBegan     = "counting_since" // counting began within the window
	ReasonGap       = "gap"            // some were lost
	ReasonUncounted = "crowded"        // some could not be told apart by user or workflow
)

// Snapshot is what a window shows at a moment.
type Snapshot struct {
	From, To  time.Time
	Since     time.Time // when counting began; zero: nobody counts
	Counts    Counts
	Groups    []Group // by workflow, the busiest first
	Truncated bool    // there are more
	Withheld  bool    // they are about too few users
	Reasons   []string
}

// Group is what was counted of a workflow.
type Group struct {
	Workflow string
	Counts   Counts
}

// Window is the last minutes as one caller sees them. It moves forward only, and one
// goroutine uses it.
type Window struct {
	feed      *feed
	view      View
	users     map[string]bool
	workflows map[string]bool

	next   uint64 // number of the next frame
	items  []item // in order of time, those of the window and later ones
	inside int    // how many of them are in the window
	groups map[string]*Counts
	total  Counts
	folds  int // frames inside that have them
	gaps   []span

	since, oldest int64
}

// item is what a frame says about one group: a workflow, a user where users are counted,
// or all there is.
type item struct {
	at     int64
	group  string
	counts Counts
	folded bool // of one item of a frame
}

// span is a time in which counts were lost, in Unix ms.
type span struct{ from, to int64 }

func newWindow(f *feed, v View) *Window {
	w := &Window{feed: f, view: v, groups: map[string]*Counts{}}
	if !v.All {
		w.users = setOf(v.Users)
	}
	if len(v.Workflows) > 0 {
		w.workflows = setOf(v.Workflows)
	}
	return w
}

func setOf(names []string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

// Refresh reads what is new. It returns the moment up to which At can be asked, in Unix
// ms; its error wraps ErrAway.
func (w *Window) Refresh(ctx context.Context) (now int64, err error) {
	now, err = w.feed.refresh(ctx)
	if err != nil {
		return 0, err
	}
	var frames []frame
	frames, w.next, w.since, w.oldest = w.feed.after(w.next)
	for _, f := range frames {
		w.take(f)
	}
	return now, nil
}

// take adds what a frame says to what is to come into the window.
func (w *Window) take(f frame) {
	byGroup := map[string]*Counts{}
	info, err := decode(f.text, func(user, workflow string, c *Counts) {
		if !w.view.All && (user == "" || !w.users[user]) || w.workflows != nil && !w.workflows[workflow] {
			return
		}
		group := ""
		switch {
		case w.view.ByWorkflow:
			group = workflow
		case w.view.Minimum > 1:
			group = user
		}
		sum, ok := byGroup[group]
		if !ok {
			sum = new(Counts)
			byGroup[group] = sum
		}
		sum.add(c)
	})
	if err != nil {
		info.lost = max(info.lost, flushEvery.Milliseconds())
	}
	if info.lost > 0 {
		w.gaps = append(w.gaps, span{f.at - info.lost, f.at})
	}
	folded := info.folded && (!w.view.All || w.view.ByWorkflow || w.workflows != nil) // else all are in the total
	if folded && len(byGroup) == 0 {
		byGroup[""] = new(Counts)
	}
	for group, c := range byGroup {
		w.items = append(w.items, item{f.at, group, *c, folded})
		folded = false
	}
}

// bounds are of the window at a moment.
func (w *Window) bounds(at int64) (from, to int64) {
	if w.view.Minimum > 1 {
		at -= at % time.Minute.Milliseconds()
	}
	return at - w.view.Span.Milliseconds(), at
}

// At moves the window to a moment and shows it.
func (w *Window) At(moment int64) *Snapshot {
	from, to := w.bounds(moment)
	for w.inside < len(w.items) && w.items[w.inside].at < to {
		w.enter(&w.items[w.inside])
		w.inside++
	}
	gone := 0
	for gone < w.inside && w.items[gone].at < from {
		w.leave(&w.items[gone])
		gone++
	}
	w.items, w.inside = slices.Delete(w.items, 0, gone), w.inside-gone
	return w.show(from, to)
}

func (w *Window) enter(i *item) {
	g, ok := w.groups[i.group]
	if !ok {
		g = new(Counts)
		w.groups[i.group] = g
	}
	g.add(&i.counts)
	w.total.add(&i.counts)
	if i.folded {
		w.folds++
	}
}

func (w *Window) leave(i *item) {
	if g := w.groups[i.group]; g != nil { // else all that was left of it is 0
		if g.subtract(&i.counts); *g == (Counts{}) {
			delete(w.groups, i.group)
		}
	}
	w.total.subtract(&i.counts)
	if i.folded {
		w.folds--
	}
}

func (w *Window) show(from, to int64) *Snapshot {
	s := &Snapshot{From: time.UnixMilli(from).UTC(), To: time.UnixMilli(to).UTC(), Counts: w.total}
	if w.since > 0 {
		s.Since = time.UnixMilli(w.since).UTC()
	}
	for _, r := range []struct {
		why  string
		true bool
	}{
		{ReasonNobody, w.since == 0},
		{ReasonBegan, w.since > from || w.oldest > from},
		{ReasonGap, w.lost(from, to)},
		{ReasonUncounted, w.folds > 0},
	} {
		if r.true {
			s.Reasons = append(s.Reasons, r.why)
		}
	}
	if w.few() {
		s.Counts, s.Withheld = Counts{}, true
	}
	if w.view.ByWorkflow {
		w.rank(s)
	}
	return s
}

// lost reports whether some counts of a time were.
func (w *Window) lost(from, to int64) bool {
	w.gaps = slices.DeleteFunc(w.gaps, func(s span) bool { return s.to < from })
	return slices.ContainsFunc(w.gaps, func(s span) bool { return s.from < to })
}

// few reports whether the counts are about too few users. Those of nobody are shown.
func (w *Window) few() bool {
	users := len(w.groups)
	if w.groups[""] != nil {
		users--
	}
	return w.view.Minimum > 1 && users > 0 && users < w.view.Minimum
}

func (w *Window) rank(s *Snapshot) {
	s.Groups = make([]Group, 0, len(w.groups))
	for name, c := range w.groups {
		if *c != (Counts{}) {
			s.Groups = append(s.Groups, Group{name, *c})
		}
	}
	slices.SortFunc(s.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Counts.executions(), a.Counts.executions()), cmp.Compare(b.Counts.sum(), a.Counts.sum()), cmp.Compare(a.Workflow, b.Workflow))
	})
	if w.view.Limit > 0 && len(s.Groups) > w.view.Limit {
		s.Groups, s.Truncated = s.Groups[:w.view.Limit], true
	}
}
