package criticalpath

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// step is one that ran from start to end and waited for others.
func step(id string, start, end int64, dependsOn ...string) Step {
	return Step{ID: id, StepID: id, Queued: Unknown, Start: start, End: end, Attempt: 1, DependsOn: dependsOn}
}

func queued(s Step, at int64) Step { s.Queued = at; return s }

// attempt is a try of a step under an id of its own.
func attempt(stepID string, n uint32, start, end int64, failed bool, dependsOn ...string) Step {
	return Step{
		ID: fmt.Sprintf("%s/%d", stepID, n), StepID: stepID, Queued: Unknown,
		Start: start, End: end, Attempt: n, Failed: failed, DependsOn: dependsOn,
	}
}

// critical renders the steps of the path as "id gap/queue/retry/run saving".
func critical(p *Path, steps []Step) []string {
	var out []string
	for i, f := range p.Steps {
		if f.Critical {
			out = append(out, fmt.Sprintf("%s %d/%d/%d/%d %d", steps[i].ID, f.Gap, f.Queue, f.Retry, f.Run, f.Saving))
		}
	}
	return out
}

func TestPathsByHand(t *testing.T) {
	for _, c := range []struct {
		name     string
		steps    []Step
		from, to int64
		want     []string // "id gap/queue/retry/run saving"
		totals   string   // gap/queue/retry/run
	}{
		{
			// extract 0-10 -> transform 10-40 -> load 40-50; report 10-25 beside it.
			// Without extract everything is 10 earlier. Without transform load waits
			// for nothing but extract and ends at 20, but report ends at 25: 25 saved,
			// not 30. Without load the end is transform's, 40.
			name: "the second-longest chain limits the saving",
			steps: []Step{
				step("extract", 0, 10), step("transform", 10, 40, "extract"),
				step("report", 10, 25, "extract"), step("load", 40, 50, "transform"),
			},
			from: 0, to: 50,
			want:   []string{"extract 0/0/0/10 10", "transform 0/0/0/30 25", "load 0/0/0/10 10"},
			totals: "0/0/0/50",
		},
		{
			// The execution starts at 100 and ends at 200. a is queued at 105 and runs
			// 110-130: gap 5, queue 5, run 20. b is queued at 130, runs 150-190: queue
			// 20, run 40; 10 at the end belong to no step. c (130-160) is not waited
			// for. Without b: c ends at 160, so the end moves from 190 to 160: 30 of
			// its 60.
			name: "queueing",
			steps: []Step{
				queued(step("a", 110, 130), 105), queued(step("b", 150, 190, "a"), 130), step("c", 130, 160, "a"),
			},
			from: 100, to: 200,
			want:   []string{"a 5/5/0/20 25", "b 0/20/0/40 30"},
			totals: "15/25/0/60",
		},
		{
			// Both were queued at 0, when the execution began; b waits for a until 30,
			// which is no queueing of b, then from 30 to 35 it is.
			name:  "what is queued before it may begin queues from then on",
			steps: []Step{queued(step("a", 10, 30), 0), queued(step("b", 35, 50, "a"), 0)},
			from:  0, to: 50,
			want:   []string{"a 0/10/0/20 30", "b 0/5/0/15 20"},
			totals: "0/15/0/35",
		},
		{
			// fetch fails twice, 10-20 and 25-30, and succeeds 40-60: it retries from 10
			// to 40, pauses included, and runs 20. b runs 60-70. Shown by attempt: the
			// first is answerable for 10-25, the second for 25-40.
			name: "retries with ids of their own",
			steps: []Step{
				step("a", 0, 10), attempt("fetch", 1, 10, 20, true, "a"), attempt("fetch", 2, 25, 30, true, "a"),
				attempt("fetch", 3, 40, 60, false, "a"), step("b", 60, 70, "fetch/3"),
			},
			from: 0, to: 70,
			want:   []string{"a 0/0/0/10 10", "fetch/1 0/0/15/0 0", "fetch/2 0/0/15/0 0", "fetch/3 0/0/0/20 50", "b 0/0/0/10 10"},
			totals: "0/0/30/40",
		},
		{
			// The same id at two times: two attempts. Queued at 2, first 5-9, then 12-20:
			// queue 3, retry 7, run 8. What comes next names the one id.
			name: "retries under one id",
			steps: []Step{
				{ID: "x", StepID: "x", Queued: 2, Start: 5, End: 9, Attempt: 1, Failed: true},
				{ID: "x", StepID: "x", Queued: Unknown, Start: 12, End: 20, Attempt: 2},
				step("y", 20, 30, "x"),
			},
			from: 0, to: 30,
			want:   []string{"x 2/3/7/0 0", "x 0/0/0/8 18", "y 0/0/0/10 10"},
			totals: "2/3/7/18",
		},
		{
			// Nothing says what waited for what. c began at 30; a ended at 20, b at 28,
			// d at 31: it followed b. b began at 5, before anything ended.
			name:  "without dependsOn a step follows the one that ended last before it began",
			steps: []Step{step("a", 0, 20), step("b", 5, 28), step("c", 30, 60), step("d", 6, 31)},
			from:  0, to: 60,
			// Without b, c is not there earlier than b's wait of 5 and its own of 2:
			// 5+2+30 = 37, but d ends at 31: 60-37 = 23. Without c: d's 31, 29 saved.
			want:   []string{"b 5/0/0/23 23", "c 2/0/0/30 29"},
			totals: "7/0/0/53",
		},
		{
			// b was queued at 10, so it cannot have waited for c, which ended at 25
			// when b began: it waited for a.
			name:  "a step that was queued followed what had ended then",
			steps: []Step{step("a", 0, 10), step("c", 0, 25), queued(step("b", 25, 40), 10)},
			from:  0, to: 40,
			want:   []string{"a 0/0/0/10 10", "b 0/15/0/15 15"},
			totals: "0/15/0/25",
		},
		{
			name:  "a circle, an unknown and its own id are no dependencies",
			steps: []Step{step("a", 0, 10, "b", "nobody", "a"), step("b", 10, 20, "a")},
			from:  0, to: 20,
			want:   []string{"a 0/0/0/10 10", "b 0/0/0/10 10"},
			totals: "0/0/0/20",
		},
		{
			// Two of no length at one moment that wait for each other: one edge goes. Of
			// the three that end at 10 the longest says the most.
			name:  "a circle within a moment",
			steps: []Step{step("z", 10, 10, "y"), step("y", 10, 10, "z"), step("a", 0, 10)},
			from:  0, to: 10,
			want:   []string{"a 0/0/0/10 10"},
			totals: "0/0/0/10",
		},
		{
			// b is said to depend on a, yet began at 6 when a ended at 10: what it did
			// before 10 delayed nothing.
			name:  "steps that overlap",
			steps: []Step{step("a", 0, 10), step("b", 6, 30, "a")},
			from:  0, to: 30,
			want:   []string{"a 0/0/0/10 10", "b 0/0/0/20 20"},
			totals: "0/0/0/30",
		},
		{
			// A step before the execution began, and one that ended after it, are cut.
			name:  "beyond the execution",
			steps: []Step{step("a", 90, 120), step("b", 120, 260, "a")},
			from:  100, to: 200,
			want:   []string{"a 0/0/0/20 20", "b 0/0/0/80 80"},
			totals: "0/0/0/100",
		},
		{
			name:  "an execution whose times are not known is as long as its steps",
			steps: []Step{queued(step("a", 10, 20), 5), step("b", 22, 30, "a")},
			from:  Unknown, to: Unknown,
			want:   []string{"a 0/5/0/10 15", "b 2/0/0/8 8"},
			totals: "2/5/0/18",
		},
		{name: "no steps", from: 0, to: 10, totals: "10/0/0/0"},
		{name: "nothing known", from: Unknown, to: Unknown, totals: "0/0/0/0"},
		{
			name:  "an end before the beginning",
			steps: []Step{{ID: "a", Queued: 50, Start: 20, End: 10}},
			from:  30, to: 10,
			want: []string{"a 0/0/0/0 0"}, totals: "0/0/0/0",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Of(c.steps, c.from, c.to)
			require.Equal(t, c.want, critical(p, c.steps))
			require.Equal(t, c.totals, fmt.Sprintf("%d/%d/%d/%d", p.Gap, p.Queue, p.Retry, p.Run))
		})
	}
}

// Three shards side by side, 10-40, 10-38 and 10-39: one alone saves 1 (the others
// stay), all together the 30 that are theirs.
func TestGroupsSaveTogether(t *testing.T) {
	shard := func(id string, end int64) Step {
		s := step(id, 10, end, "split")
		s.StepID = "shard"
		return s
	}
	steps := []Step{step("split", 0, 10), shard("1", 40), shard("2", 38), shard("3", 39), step("merge", 40, 45, "1", "2", "3")}
	p := Of(steps, 0, 45)
	require.Equal(t, []string{"split 0/0/0/10 10", "1 0/0/0/30 1", "merge 0/0/0/5 5"}, critical(p, steps))
	require.Equal(t, []Group{
		{StepID: "merge", Steps: 1, Critical: true, Run: 5, Saving: 5, WaitedFor: []string{"shard"}},
		{StepID: "shard", Steps: 3, Critical: true, Run: 30, Saving: 30, WaitedFor: []string{"split"}},
		{StepID: "split", Steps: 1, Critical: true, Run: 10, Saving: 10},
	}, p.Groups)
}

func TestDepths(t *testing.T) {
	steps := []Step{step("a", 0, 1), step("b", 1, 2, "a"), step("c", 1, 3, "a"), step("d", 3, 4, "b", "c"), step("e", 0, 4)}
	p := Of(steps, 0, 4)
	var depths []int
	for _, f := range p.Steps {
		depths = append(depths, f.Depth)
	}
	require.Equal(t, []int{1, 2, 2, 3, 1}, depths)
}

// Attempts of shards that have one name: the second attempt continues the shard that
// failed last before it, and each is continued once.
func TestAttemptsAreMatched(t *testing.T) {
	try := func(id string, n uint32, start, end int64, failed bool) Step {
		return Step{ID: id, StepID: "shard", Queued: Unknown, Start: start, End: end, Attempt: n, Failed: failed}
	}
	steps := []Step{
		try("a1", 1, 0, 10, true), try("b1", 1, 0, 20, true), try("c1", 1, 0, 15, false),
		try("a2", 2, 12, 30, false), try("b2", 2, 20, 40, true), try("b3", 3, 41, 50, false), try("orphan", 2, 5, 9, false),
	}
	require.Equal(t, [][]int{{2}, {0, 3}, {1, 4, 5}, {6}}, attempts(steps))
	// On the path: b tries from 0 to 41, 20 and 21 long, and runs 9.
	p := Of(steps, 0, 50)
	require.Equal(t, []string{"b1 0/0/20/0 0", "b2 0/0/21/0 0", "b3 0/0/0/9 20"}, critical(p, steps))
	require.Equal(t, 3, p.Groups[0].Retries)
	require.True(t, p.Steps[0].Superseded)
	require.False(t, p.Steps[3].Superseded)
}

// 100,000 steps in one chain, with a name each and with 1,000 names, and as many at
// one moment: what looks at all pairs would not come to an end.
func TestManySteps(t *testing.T) {
	const n = 100_000
	chain, sharing, flat := make([]Step, n), make([]Step, n), make([]Step, n)
	for i := range chain {
		at := int64(i)
		chain[i] = Step{ID: strconv.Itoa(i), StepID: strconv.Itoa(i), Queued: Unknown, Start: at, End: at + 1, DependsOn: []string{strconv.Itoa(i - 1)}}
		sharing[i] = chain[i]
		sharing[i].StepID = strconv.Itoa(i % 1000)
		flat[i] = Step{ID: strconv.Itoa(i), StepID: "s", Queued: Unknown, Start: 5, End: 5, Attempt: uint32(1 + i%2), Failed: true}
	}
	p := Of(chain, 0, n)
	require.Equal(t, int64(n), p.Run)
	require.Equal(t, int64(1), p.Steps[n/2].Saving)
	p = Of(sharing, 0, n)
	require.Equal(t, int64(100), p.Groups[0].Saving)
	atLeast := 0
	for _, g := range p.Groups {
		if g.AtLeast {
			atLeast++
			require.Equal(t, int64(1), g.Saving)
		}
	}
	require.Equal(t, 1000-work/(2*n-1), atLeast)
	require.Equal(t, int64(10), Of(flat, 0, 10).Gap)
}
