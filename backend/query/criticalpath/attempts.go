package criticalpath

import (
	"cmp"
	"slices"
)

// attempts gathers the attempts of each step, in order. Attempts share the step's
// id, or have ids of their own: then attempt n+1 continues the attempt n of the
// same StepID that failed last before it started and that nothing continues yet.
func attempts(steps []Step) [][]int {
	var groups [][]int
	index := map[string]int{}
	for row, s := range steps {
		i, ok := index[s.ID]
		if !ok {
			i = len(groups)
			index[s.ID] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], row)
	}
	for _, rows := range groups {
		slices.SortStableFunc(rows, func(a, b int) int {
			return cmp.Or(cmp.Compare(steps[a].Attempt, steps[b].Attempt), cmp.Compare(steps[a].Start, steps[b].Start))
		})
	}
	previous := continued(steps, groups)
	out := make([][]int, 0, len(groups))
	isContinued := make([]bool, len(groups))
	for _, p := range previous {
		if p >= 0 {
			isContinued[p] = true
		}
	}
	for i := range groups {
		if isContinued[i] {
			continue
		}
		var chain []int // Groups, the last attempt first.
		for k := i; k >= 0; k = previous[k] {
			chain = append(chain, k)
		}
		var rows []int
		for _, k := range slices.Backward(chain) {
			rows = append(rows, groups[k]...)
		}
		out = append(out, rows)
	}
	return out
}

// moment is the beginning of a group, or its end in failure.
type moment struct {
	at      int64
	starts  bool
	attempt uint32
	group   int
}

// continued returns which group each continues, or -1.
func continued(steps []Step, groups [][]int) []int {
	previous := slices.Repeat([]int{-1}, len(groups))
	var moments []moment
	for i, rows := range groups {
		first, last := steps[rows[0]], steps[rows[len(rows)-1]]
		if first.Attempt > 1 {
			moments = append(moments, moment{first.Start, true, first.Attempt, i})
		}
		if last.Failed && last.Attempt > 0 {
			moments = append(moments, moment{max(last.Start, last.End), false, last.Attempt, i})
		}
	}
	slices.SortFunc(moments, func(a, b moment) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		if a.starts != b.starts {
			if b.starts {
				return -1 // What ends at a moment can be continued at it.
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.attempt, b.attempt), cmp.Compare(steps[groups[a.group][0]].ID, steps[groups[b.group][0]].ID))
	})
	type key struct {
		step    string
		attempt uint32
	}
	failed := map[key][]int{}
	for _, m := range moments {
		step := steps[groups[m.group][0]].StepID
		if !m.starts {
			k := key{step, m.attempt}
			failed[k] = append(failed[k], m.group)
			continue
		}
		k := key{step, m.attempt - 1}
		if waiting := failed[k]; len(waiting) > 0 {
			previous[m.group] = waiting[len(waiting)-1]
			failed[k] = waiting[:len(waiting)-1]
		}
	}
	return previous
}
