package query

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/criticalpath"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func workflowIs(name string) Filter {
	return Filter{Dimension: "workflow", Operator: In, Values: []string{name}}
}

// recountPaths adds critical paths up, step by step, from the events alone.
func recountPaths(events []event.Event, users []string, keep func(*event.Event) bool) (wall int64, onPath, savings map[string][]int64) {
	onPath, savings = map[string][]int64{}, map[string][]int64{}
	o := newOracle(time.Now(), events)
	steps := map[string][]criticalpath.Step{}
	for i := range o.events {
		s := &o.events[i]
		if s.Kind == event.KindStep && (users == nil || slices.Contains(users, s.UserID)) {
			queued := criticalpath.Unknown
			if s.QueuedTime != event.NoTime {
				queued = s.QueuedTime
			}
			steps[s.ExecutionID] = append(steps[s.ExecutionID], criticalpath.Step{
				ID: s.ID, StepID: s.StepID, Queued: queued, Start: s.Time, End: s.EndTime, Attempt: s.Attempt,
				Failed: s.Status == event.StatusFailed, DependsOn: s.DependsOn,
			})
		}
	}
	for i := range o.events {
		x := &o.events[i]
		if x.Kind != event.KindExecution || (users != nil && !slices.Contains(users, x.UserID)) || !keep(x) {
			continue
		}
		from := x.Time - x.Duration
		if x.Duration == 0 {
			from = criticalpath.Unknown
		}
		p := criticalpath.Of(steps[x.ID], from, x.Time)
		wall += p.WallClock()
		onPath[""] = append(onPath[""], p.Gap)
		for _, g := range p.Groups {
			onPath[g.StepID] = append(onPath[g.StepID], g.OnPath())
			savings[g.StepID] = append(savings[g.StepID], g.Saving)
		}
	}
	return wall, onPath, savings
}

func total(values []int64) (sum int64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

func TestBottlenecksEqualTheRecount(t *testing.T) {
	s := querytest.New(t)
	from, length := time.Date(2026, 3, 1, 9, 50, 0, 0, time.UTC), 9*time.Hour
	events := runEvents(from, length, 300, 3)
	s.Insert(t, events...)
	s.Settle(t)
	e := newSettled(t, s, from.Add(1000*time.Hour), Limits{})
	since, until := from.Add(17*time.Minute), from.Add(length)
	r := Request{Kind: KindBottlenecks, From: since, To: until, Filters: []Filter{workflowIs("wf-a"), {Dimension: "version", Operator: NotIn, Values: []string{"2"}}}}
	for _, c := range []struct {
		p     access.Principal
		users []string
	}{
		{admin, nil},
		{viewer("ann"), []string{"ann"}},
		{access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"ann", "cem"}}, []string{"ann", "cem"}},
	} {
		res, err := e.Do(t.Context(), c.p, r)
		require.NoError(t, err)
		likeItsInfo(t, res.Frame, bottlenecksFields)
		wall, onPath, savings := recountPaths(events, c.users, func(x *event.Event) bool {
			return x.WorkflowID == "wf-a" && x.WorkflowVersion == 1 && x.Time >= since.UnixMilli() && x.Time < until.UnixMilli()
		})
		n := len(onPath[""])
		require.NotZero(t, n)
		require.Equal(t, &Sample{Executions: n, Of: n}, res.Meta.Sample)
		steps := field[string](t, res.Frame, "step")
		require.ElementsMatch(t, slices.Collect(maps.Keys(onPath)), steps)
		sum, last := 0.0, -1.0
		for i, name := range steps {
			require.InDelta(t, float64(total(onPath[name]))/float64(wall), *field[*float64](t, res.Frame, "share")[i], 1e-12)
			sum += *field[*float64](t, res.Frame, "share")[i]
			if name == "" {
				require.Equal(t, len(steps)-1, i)
				require.Nil(t, field[*float64](t, res.Frame, "saving_total_ms")[i])
				continue
			}
			saving := *field[*float64](t, res.Frame, "saving_total_ms")[i]
			require.InDelta(t, float64(total(savings[name])), saving, 0, name)
			require.True(t, last < 0 || saving <= last)
			last = saving
			require.InDelta(t, saving/float64(n), *field[*float64](t, res.Frame, "saving_avg_ms")[i], 1e-9)
			all := slices.Concat(savings[name], make([]int64, n-len(savings[name])))
			slices.Sort(all)
			require.InDelta(t, float64(all[(95*n+99)/100-1]), *field[*float64](t, res.Frame, "saving_p95_ms")[i], 0)
			require.Equal(t, int64(len(savings[name])), *field[*int64](t, res.Frame, "executions")[i])
			parts := *field[*float64](t, res.Frame, "queue_share")[i] + *field[*float64](t, res.Frame, "retry_share")[i] + *field[*float64](t, res.Frame, "run_share")[i]
			require.InDelta(t, *field[*float64](t, res.Frame, "share")[i], parts, 1e-12)
		}
		require.InDelta(t, 1, sum, 1e-9)

		attempts := recountAttempts(events, c.users, func(x *event.Event) bool {
			return x.WorkflowID == "wf-a" && x.WorkflowVersion == 1 && x.Time >= since.UnixMilli() && x.Time < until.UnixMilli()
		})
		for i, name := range steps {
			if name == "" {
				require.Empty(t, field[string](t, res.Frame, "waited_for")[i])
				continue
			}
			a := attempts[name]
			require.Equal(t, []int64{a.runs, a.failed}, []int64{*field[*int64](t, res.Frame, "runs")[i], *field[*int64](t, res.Frame, "failed")[i]}, name)
			require.InDelta(t, float64(a.duration)/float64(a.runs), *field[*float64](t, res.Frame, "duration_avg_ms")[i], 1e-9, name)
		}
	}
}

// attempts are a step's.
type attempts struct{ runs, failed, duration int64 }

func recountAttempts(events []event.Event, users []string, keep func(*event.Event) bool) map[string]attempts {
	o := newOracle(time.Now(), events)
	kept := map[string]bool{}
	for i := range o.events {
		x := &o.events[i]
		kept[x.ID] = kept[x.ID] || x.Kind == event.KindExecution && (users == nil || slices.Contains(users, x.UserID)) && keep(x)
	}
	out := map[string]attempts{}
	for i := range o.events {
		s := &o.events[i]
		if s.Kind != event.KindStep || !kept[s.ExecutionID] || users != nil && !slices.Contains(users, s.UserID) {
			continue
		}
		a := out[s.StepID]
		a.runs++
		a.duration += s.Duration
		if s.Status == event.StatusFailed {
			a.failed++
		}
		out[s.StepID] = a
	}
	return out
}

// Of two executions one waits by its own word, and the other by which step ended last;
// a third skips a step.
func TestBottlenecksSayWhatWaitedForWhat(t *testing.T) {
	s := querytest.New(t)
	start := utc(2026, 3, 1).UnixMilli()
	var events []event.Event
	for i, id := range []string{"x", "y", "z"} {
		at := start + int64(i)*60_000
		base := event.Event{Tenant: "acme", PreviousTime: event.NoTime, QueuedTime: event.NoTime, EndTime: event.NoTime, WorkflowID: "billing", Attempt: 1}
		end := base
		end.Kind, end.ID, end.Time, end.Duration, end.Status = event.KindExecution, id, at+1000, 1000, event.StatusCompleted
		events = append(events, end)
		for k, name := range []string{"extract", "check", "load"} {
			step := base
			step.Kind, step.ID, step.ExecutionID, step.StepID, step.Status = event.KindStep, id+"/"+name, id, name, event.StatusCompleted
			step.Time, step.Duration = at+int64(k)*300, 200
			step.EndTime = step.Time + step.Duration
			switch {
			case name == "load" && id == "x":
				step.DependsOn = []string{"x/extract"}
			case name == "load" && id == "z":
				step.Status = event.StatusSkipped
			}
			events = append(events, step)
		}
	}
	s.Insert(t, events...)
	s.Settle(t)
	r := Request{Kind: KindBottlenecks, From: utc(2026, 3, 1), To: utc(2026, 3, 2), Filters: []Filter{workflowIs("billing")}}
	res, err := newSettled(t, s, utc(2026, 3, 3), Limits{}).Do(t.Context(), admin, r)
	require.NoError(t, err)
	waited := map[string]string{}
	runs := map[string]int64{}
	for i, name := range field[string](t, res.Frame, "step")[:3] {
		waited[name], runs[name] = field[string](t, res.Frame, "waited_for")[i], *field[*int64](t, res.Frame, "runs")[i]
	}
	require.Equal(t, map[string]string{"extract": "{}", "check": `{"extract":3}`, "load": `{"check":2,"extract":1}`}, waited)
	require.Equal(t, map[string]int64{"extract": 3, "check": 3, "load": 2}, runs)

	e, err := New(Config{
		Client: s.Client, Now: func() time.Time { return utc(2026, 3, 3) }, PendingTTL: -1,
		Policies: rolePolicies{access.RoleAdmin: Policy{Redact: []string{"step"}}},
	})
	require.NoError(t, err)
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	for _, name := range []string{"step", "waited_for"} {
		require.Equal(t, Redacted, field[string](t, res.Frame, name)[0], "names of steps are in both")
	}
}

// A sample is even, the same each time, and its totals are near those of all.
func TestBottlenecksOfASample(t *testing.T) {
	s := querytest.New(t)
	from, length := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), 48*time.Hour
	events := runEvents(from, length, 1500, 4)
	s.Insert(t, events...)
	s.Settle(t)
	e := newSettled(t, s, from.Add(1000*time.Hour), Limits{})
	r := Request{
		Kind: KindBottlenecks, From: from, To: from.Add(length + time.Hour), Filters: []Filter{workflowIs("wf-b")}, Limit: 2,
		Params: map[string]string{"sample": "300"},
	}
	_, onPath, savings := recountPaths(events, nil, func(x *event.Event) bool { return x.WorkflowID == "wf-b" })
	n := len(onPath[""])
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, n, res.Meta.Sample.Of)
	require.InDelta(t, 300, res.Meta.Sample.Executions, 60)
	require.LessOrEqual(t, res.Meta.Sample.Executions, 300)
	require.Len(t, res.Meta.Notices, 1)
	require.True(t, res.Meta.Truncated)
	require.Equal(t, 3, res.Frame.Rows())
	for i, name := range field[string](t, res.Frame, "step")[:2] {
		require.InEpsilon(t, total(savings[name]), *field[*float64](t, res.Frame, "saving_total_ms")[i], 0.4, name)
	}
	again, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, res.Frame.Fields, again.Frame.Fields)
}

func TestBottlenecksRefuse(t *testing.T) {
	e := offline(t, utc(2026, 1, 1))
	ok := Request{Kind: KindBottlenecks, From: utc(2026, 1, 1), To: utc(2026, 1, 2), Filters: []Filter{workflowIs("a")}}
	for param, change := range map[string]func(*Request){
		"filters":       func(r *Request) { r.Filters = nil },
		"limit":         func(r *Request) { r.Limit = 1001 },
		"params.sample": func(r *Request) { r.Params = map[string]string{"sample": "10001"} },
		"from":          func(r *Request) { r.From = utc(2025, 1, 1) },
		"groupBy":       func(r *Request) { r.GroupBy = []string{"step"} },
	} {
		r := ok
		change(&r)
		_, err := e.Do(t.Context(), admin, r)
		var wrong *RequestError
		require.ErrorAs(t, err, &wrong, param)
		require.Equal(t, param, wrong.Param)
	}
	r := ok
	r.Filters = []Filter{{Dimension: "workflow", Operator: In, Values: []string{"a", "b"}}}
	_, err := e.Do(t.Context(), admin, r)
	require.ErrorContains(t, err, "one workflow")
}

func TestFewSpans(t *testing.T) {
	var many []span
	for i := range 100 {
		many = append(many, span{int64(i * 1000), int64(i*1000 + 10 + i)})
	}
	got := few(slices.Clone(many), 10)
	require.LessOrEqual(t, len(got), 10)
	for _, s := range many {
		require.True(t, slices.ContainsFunc(got, func(g span) bool { return g.from <= s.from && s.to <= g.to }), fmt.Sprint(s))
	}
	require.Equal(t, []span{{0, 20}, {30, 40}}, few([]span{{30, 40}, {0, 10}, {5, 20}}, 5))
}

// Real workflows, whose critical paths another program has counted.
func TestNextflowEqualsItsCriticalPaths(t *testing.T) {
	var want struct {
		Workflows map[string]struct {
			Path  float64 `json:"critical_path_ms"`
			Steps float64 `json:"steps"`
		} `json:"workflows"`
	}
	s := loadReal(t, "nextflow", &want)
	e := newEngine(t, s, utc(2026, 1, 1), Limits{})
	for name, w := range want.Workflows {
		res, err := e.Do(t.Context(), admin, waterfallOf(name[len("nextflow/"):]+"-dirt02-001"))
		require.NoError(t, err)
		require.Equal(t, number(w.Path), number(field[float64](t, res.Frame, "critical_run_ms")[0]), name)
		require.Equal(t, number(w.Steps+1), strconv.Itoa(res.Frame.Rows()), name)
		end := *field[*time.Time](t, res.Frame, "end")[0]
		res, err = e.Do(t.Context(), admin, Request{Kind: KindBottlenecks, From: end.Add(-time.Hour), To: end.Add(time.Hour), Filters: []Filter{workflowIs(name)}, Limit: 1000})
		require.NoError(t, err)
		sum := 0.0
		for _, ms := range field[*float64](t, res.Frame, "path_avg_ms") {
			sum += *ms
		}
		require.InDelta(t, w.Path, sum, 1e-6, name)
	}
}
