package gather

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// world is a database in memory: deliveries of fragments, and rows of which the
// one with the highest version stands, of equal ones the last.
type world struct {
	kept []Fragment
	rows map[id]Row
}

type id struct {
	run string
	key
}

func (w *world) insert(r Row) {
	k := id{r.Event.ID, keyOf(&r.Event)}
	if before, ok := w.rows[k]; !ok || r.Version >= before.Version {
		w.rows[k] = r
	}
}

// stand returns the events that stand.
func (w *world) stand() map[id]event.Event {
	out := map[id]event.Event{}
	for k, r := range w.rows {
		if !r.Deleted {
			out[k] = r.Event
		}
	}
	return out
}

var errKilled = errors.New("killed")

// process is a collector with a log of its own. It may be killed at each yield.
type process struct {
	world *world
	log   []Fragment
	done  int // committed
	cut   func(most int) int
	yield func(struct{}) bool
}

func (p *process) put(_ context.Context, fragments []Fragment) error {
	p.world.kept = append(p.world.kept, fragments...)
	if !p.yield(struct{}{}) {
		return errKilled
	}
	return nil
}

func (p *process) known(_ context.Context, runs []run) ([]Fragment, error) {
	var out []Fragment
	for _, f := range p.world.kept {
		if !slices.Contains(runs, run{f.Tenant, f.Run}) {
			continue
		}
		i := slices.IndexFunc(out, func(o Fragment) bool { return o.digest == f.digest })
		if i < 0 {
			f.first = f.Version
			out = append(out, f)
			continue
		}
		out[i].first, out[i].Version = min(out[i].first, f.Version), max(out[i].Version, f.Version)
	}
	if !p.yield(struct{}{}) {
		return nil, errKilled
	}
	return out, nil
}

// run stores the log batch by batch, as the sink does.
func (p *process) run(t require.TestingT) iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		p.yield = yield
		g := &Gatherer{shelf: p}
		for p.done < len(p.log) {
			end := p.done + p.cut(len(p.log)-p.done)
			rows, err := g.Gather(context.Background(), p.log[p.done:end])
			if err != nil {
				require.ErrorIs(t, err, errKilled)
				return
			}
			for _, r := range rows {
				p.world.insert(r)
				if !yield(struct{}{}) {
					return
				}
			}
			p.done = end
		}
	}
}

// Several collectors take fragments in any order, more than once, in batches of
// any size, at the same time, and are killed between any two steps: what is left is
// what follows from the set of all fragments.
func TestAnyHistoryEndsInTheSameRows(t *testing.T) {
	for range 30 { // Many times as often as other properties: what goes wrong takes several accidents at once.
		rapid.Check(t, anyHistory)
	}
}

func anyHistory(t *rapid.T) {
	said := drawFragments(t, 3, 10)
	again := rapid.SliceOfN(rapid.SampledFrom(said), 0, 5).Draw(t, "sent again")
	deliveries := rapid.Permutation(slices.Concat(said, again)).Draw(t, "deliveries")

	w := &world{rows: map[id]Row{}}
	processes := make([]*process, rapid.IntRange(1, 3).Draw(t, "collectors"))
	for i := range processes {
		processes[i] = &process{world: w, cut: func(most int) int { return rapid.IntRange(1, most).Draw(t, "batch") }}
	}
	for i, f := range deliveries {
		p := processes[rapid.IntRange(0, len(processes)-1).Draw(t, "collector")]
		p.log = append(p.log, Fragment{Fragment: f, Version: queue.Version(1000 + 10*i)})
	}
	// One was taken for dead, and its log is read by another too.
	twin := *processes[0]
	if rapid.Bool().Draw(t, "twin") {
		processes = append(processes, &twin)
	}
	schedule(t, processes)

	expect := map[id]event.Event{}
	byRun := map[string][]event.Fragment{}
	for _, f := range said {
		byRun[f.Run] = append(byRun[f.Run], f)
	}
	for _, fragments := range byRun {
		for _, e := range Derive(fragments...) {
			expect[id{e.ID, keyOf(&e)}] = e
		}
	}
	require.Equal(t, expect, w.stand())
}

// schedule lets one process after the other make a step, and kills some.
func schedule(t *rapid.T, processes []*process) {
	kills := rapid.IntRange(0, 4).Draw(t, "kills")
	type running struct {
		next func() (struct{}, bool)
		stop func()
	}
	start := func(p *process) running {
		next, stop := iter.Pull(p.run(t))
		return running{next, stop}
	}
	all := make([]running, len(processes))
	for i, p := range processes {
		all[i] = start(p)
	}
	for left := len(all); left > 0; {
		i := rapid.IntRange(0, len(all)-1).Draw(t, "who")
		if all[i].next == nil {
			continue
		}
		if _, ok := all[i].next(); !ok {
			all[i] = running{}
			left--
			continue
		}
		if kills > 0 && rapid.IntRange(0, 5).Draw(t, "kill") == 0 {
			kills--
			all[i].stop()
			all[i] = start(processes[i])
		}
	}
}

func gathered(t *testing.T, batches ...[]Fragment) []Row {
	t.Helper()
	w := &world{rows: map[id]Row{}}
	p := &process{world: w, yield: func(struct{}) bool { return true }}
	var rows []Row
	for _, b := range batches {
		var err error
		rows, err = (&Gatherer{shelf: p}).Gather(t.Context(), b)
		require.NoError(t, err)
	}
	return rows
}

func at(v queue.Version, f event.Fragment) Fragment { return Fragment{Fragment: f, Version: v} }

// What comes in the order in which it happened costs one row each, news that change
// nothing none, and so do duplicates.
func TestWhatIsNotStored(t *testing.T) {
	f := event.Fragment{Tenant: "t", Run: "r", Execution: "e", Workflow: "w", StepID: "s", Status: event.StatusStarted, Time: 5, Duration: event.NoDuration}
	end, news := f, f
	end.Status, end.Time = event.StatusCompleted, 9
	news.Status, news.Time = 0, 0
	require.Empty(t, gathered(t, []Fragment{at(1, f)}))
	require.Len(t, gathered(t, []Fragment{at(1, f)}, []Fragment{at(2, end)}), 1)
	require.Len(t, gathered(t, []Fragment{at(1, f), at(2, end)}), 1)
	require.Len(t, gathered(t, []Fragment{at(1, end), at(2, f)}), 2, "one goes that may have been stored before a crash")
	require.Len(t, gathered(t, []Fragment{at(1, end)}, []Fragment{at(2, f)}), 2)
	require.Empty(t, gathered(t, []Fragment{at(1, f), at(2, end)}, []Fragment{at(3, news)}))
	require.Empty(t, gathered(t, []Fragment{at(1, f), at(2, end)}, []Fragment{at(3, end), at(4, f)}))
	news.UserID = "ann"
	require.Len(t, gathered(t, []Fragment{at(1, f), at(2, end)}, []Fragment{at(3, news)}), 2, "the row, and one that may have been before the start was known")
}

// A row that goes is what it was, for plugins that are asked about it, and every row names
// the last fragment of its run.
func TestRowsThatGo(t *testing.T) {
	start := event.Fragment{Tenant: "t", Run: "r", Execution: "e", Workflow: "w", StepID: "s", Status: event.StatusStarted, Time: 5, Duration: event.NoDuration}
	end, news := start, start
	end.Status, end.Time, end.UserID = event.StatusCompleted, 9, "ann"
	news.Status, news.Time, news.Attempt = 0, 0, 2
	placed := func(v queue.Version, f event.Fragment) Fragment {
		return Fragment{Fragment: f, Version: v, Partition: int32(10 * v)}
	}
	before := gathered(t, []Fragment{placed(1, end)})
	require.Len(t, before, 1)
	other := start
	other.Run = "other"
	rows := gathered(t, []Fragment{placed(1, end)}, []Fragment{placed(2, news), placed(3, start), placed(4, other)})
	require.Len(t, rows, 2)
	require.True(t, rows[1].Deleted)
	require.Equal(t, before[0].Event, rows[1].Event)
	for _, r := range rows {
		require.Equal(t, Said{Version: 3, Partition: 30}, r.Said)
	}

	// Of what others have stored who knew something else, what is known now is said.
	rows = gathered(t, []Fragment{placed(1, end), placed(2, start)}, []Fragment{placed(3, news)})
	require.Len(t, rows, 2)
	require.True(t, rows[1].Deleted)
	require.Equal(t, []any{int64(9), "s", "e"}, []any{rows[1].Event.Time, rows[1].Event.StepID, rows[1].Event.ExecutionID})
	require.Nil(t, event.Validate(&rows[1].Event))
}
