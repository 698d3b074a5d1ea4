package criticalpath

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// anySteps draws steps that may contradict themselves and each other.
func anySteps(t *rapid.T) []Step {
	n := rapid.IntRange(0, 14).Draw(t, "steps")
	ids := rapid.IntRange(0, max(1, n)).Draw(t, "ids")
	steps := make([]Step, n)
	id := rapid.Custom(func(t *rapid.T) string { return strconv.Itoa(rapid.IntRange(0, ids).Draw(t, "id")) })
	for i := range steps {
		start := rapid.Int64Range(0, 60).Draw(t, "start")
		steps[i] = Step{
			ID: id.Draw(t, "step"), StepID: fmt.Sprint("s", rapid.IntRange(0, 4).Draw(t, "name")), Queued: Unknown,
			Start: start, End: start + rapid.Int64Range(-2, 30).Draw(t, "length"),
			Attempt: uint32(rapid.IntRange(0, 3).Draw(t, "attempt")), Failed: rapid.Bool().Draw(t, "failed"),
			DependsOn: rapid.SliceOfN(id, 0, 3).Draw(t, "depends_on"),
		}
		if rapid.Bool().Draw(t, "queued") {
			steps[i].Queued = max(0, start-rapid.Int64Range(-2, 10).Draw(t, "queue"))
		}
	}
	return steps
}

func anyBounds(t *rapid.T) (from, to int64) {
	from, to = rapid.Int64Range(-1, 30).Draw(t, "from"), rapid.Int64Range(-1, 90).Draw(t, "to")
	return from, to
}

// The path is a cut of the wall clock, and what it says each step and each group
// saves is what comes out when the schedule is made anew without them.
func TestPathProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := anySteps(t)
		from, to := anyBounds(t)
		p := Of(steps, from, to)
		require.Equal(t, p.WallClock(), p.Gap+p.Queue+p.Retry+p.Run)
		require.GreaterOrEqual(t, p.Gap, int64(0))
		g := newGraph(steps, from, to)
		ends, none := make([]int64, len(g.tasks)), make([]bool, len(g.tasks))
		if len(g.tasks) > 0 {
			require.Equal(t, g.to, g.reschedule(ends, none)+g.idle(), "nothing changed, another schedule")
		}
		onPath := int64(0)
		for i := range g.tasks {
			last := g.tasks[i].rows[len(g.tasks[i].rows)-1]
			length := int64(0)
			for _, row := range g.tasks[i].rows {
				f := p.Steps[row]
				for _, part := range []int64{f.Gap, f.Queue, f.Retry, f.Run} {
					require.GreaterOrEqual(t, part, int64(0))
				}
				require.True(t, f.Critical || f.OnPath()+f.Gap+f.Saving == 0)
				length += f.OnPath()
			}
			onPath += length
			none[i] = true
			saved := g.to - g.idle() - g.reschedule(ends, none)
			none[i] = false
			require.Equal(t, saved, p.Steps[last].Saving, "step %s", steps[last].ID)
			require.LessOrEqual(t, saved, length)
		}
		require.LessOrEqual(t, onPath, p.WallClock())
		sum := int64(0)
		for _, group := range p.Groups {
			for i := range g.tasks {
				none[i] = steps[g.tasks[i].rows[0]].StepID == group.StepID
			}
			saved := int64(0)
			if len(g.tasks) > 0 {
				saved = g.to - g.idle() - g.reschedule(ends, none)
			}
			require.Equal(t, saved, group.Saving)
			require.LessOrEqual(t, group.Saving, group.OnPath())
			sum += group.OnPath()
		}
		require.Equal(t, onPath, sum)
	})
}

// The order in which steps arrive says nothing.
func TestOrderOfInputIsIrrelevant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := anySteps(t)
		slices.SortFunc(steps, func(a, b Step) int { return int(a.Start - b.Start) })
		for i := range steps { // Attempts that agree in everything cannot be told apart.
			steps[i].ID = strconv.Itoa(i)
		}
		from, to := anyBounds(t)
		p := Of(steps, from, to)
		order := rapid.Permutation(indices(len(steps))).Draw(t, "order")
		shuffled := make([]Step, len(steps))
		for i, k := range order {
			shuffled[i] = steps[k]
		}
		q := Of(shuffled, from, to)
		require.Equal(t, p.Groups, q.Groups)
		for i, k := range order {
			require.Equal(t, p.Steps[k], q.Steps[i])
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
