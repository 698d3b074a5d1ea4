package live

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/redis"
)

func open(t testing.TB, addr string) *redis.Client {
	t.Helper()
	c, err := redis.Open(redis.Config{Addr: addr})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newCounter(t require.TestingT, cfg CounterConfig) *Counter {
	c, err := NewCounter(cfg)
	require.NoError(t, err)
	return c
}

func newHub(t require.TestingT, client *redis.Client) *Hub {
	h, err := NewHub(client)
	require.NoError(t, err)
	h.fresh = 0
	return h
}

func record(e event.Event) []byte {
	if e.PreviousTime == 0 {
		e.PreviousTime = event.NoTime
	}
	if e.EndTime == 0 {
		e.EndTime = event.NoTime
	}
	e.QueuedTime = event.NoTime
	return event.AppendBinary(nil, &e)
}

func look(t require.TestingT, w *Window) *Snapshot {
	now, err := w.Refresh(background)
	require.NoError(t, err)
	return w.At(now)
}

// clocked is a Redis whose clock a test sets.
type clocked struct {
	*miniredis.Miniredis
	now time.Time
}

func newClocked(t *testing.T) *clocked {
	c := &clocked{miniredis.RunT(t), time.Unix(1_800_000_000, 0)}
	c.ClockTTL(true)
	c.SetTime(c.now)
	return c
}

func (c *clocked) pass(d time.Duration) {
	c.now = c.now.Add(d)
	c.SetTime(c.now)
}

// counted is what one event counts as, for a recount.
type counted struct {
	at                     time.Time
	tenant, user, workflow string
	figure                 Figure
}

// recount is what a view shows at a moment, told from a list.
func recount(all []counted, v View, now time.Time) Snapshot {
	if v.Minimum > 1 {
		now = now.Truncate(time.Minute)
	}
	s := Snapshot{From: now.Add(-v.Span).UTC(), To: now.UTC()}
	users, groups := map[string]bool{}, map[string]*Counts{}
	for _, e := range all {
		in := e.tenant == v.Tenant && !e.at.Before(s.From) && e.at.Before(s.To) &&
			(v.All || e.user != "" && (e.user == v.Users[0] || e.user == v.Users[len(v.Users)-1])) &&
			(len(v.Workflows) == 0 || e.workflow == v.Workflows[0])
		if !in {
			continue
		}
		s.Counts[e.figure]++
		if e.user != "" {
			users[e.user] = true
		}
		if groups[e.workflow] == nil {
			groups[e.workflow] = new(Counts)
		}
		groups[e.workflow][e.figure]++
	}
	if v.Minimum > 1 && len(users) > 0 && len(users) < v.Minimum {
		s.Counts, s.Withheld = Counts{}, true
	}
	if v.ByWorkflow {
		s.Groups = []Group{}
		for name, c := range groups {
			s.Groups = append(s.Groups, Group{name, *c})
		}
	}
	return s
}

// Whatever two collectors take, and whenever they do, every view of it is that of a
// recount.
func TestWindowsAgreeWithARecount(t *testing.T) {
	server := newClocked(t)
	client := open(t, server.Addr())
	views := []View{}
	for _, tenant := range []string{"acme", "other"} {
		for _, span := range []time.Duration{5 * time.Second, time.Minute, Longest} {
			views = append(views,
				View{Tenant: tenant, All: true, Span: span}, View{Tenant: tenant, All: true, ByWorkflow: true, Span: span},
				View{Tenant: tenant, Users: []string{"ann"}, Span: span}, View{Tenant: tenant, Users: []string{"ann", "bo"}, ByWorkflow: true, Span: span},
				View{Tenant: tenant, All: true, Workflows: []string{"x"}, Span: span},
			)
		}
		views = append(views, View{Tenant: tenant, All: true, Minimum: 3, Span: time.Minute}, View{Tenant: tenant, Users: []string{"ann", "bo"}, Minimum: 2, Span: time.Minute})
	}
	rapid.Check(t, func(t *rapid.T) {
		server.FlushAll()
		hub := newHub(t, client)
		counters := []*Counter{}
		for range 2 {
			counters = append(counters, newCounter(t, CounterConfig{Redis: client, Now: func() time.Time { return server.now }}))
		}
		windows := make([]*Window, len(views))
		for i, v := range views {
			windows[i] = hub.Open(v)
		}
		var all []counted
		var known [2]map[event.Identity]bool
		waiting := [2][]counted{}
		for i := range known {
			known[i] = map[event.Identity]bool{}
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			server.pass(time.Duration(rapid.SampledFrom([]int{1, 200, 1000, 7000, 61_000, 400_000}).Draw(t, "ms")) * time.Millisecond)
			at := rapid.IntRange(0, 1).Draw(t, "collector")
			var batch [][]byte
			for range rapid.IntRange(0, 8).Draw(t, "events") {
				e, figure := drawEvent(t, server.now)
				batch = append(batch, record(e))
				if id := e.Identity(); e.PreviousTime == 0 && !known[at][id] {
					known[at][id] = true
					waiting[at] = append(waiting[at], counted{tenant: e.Tenant, user: e.UserID, workflow: e.WorkflowID, figure: figure})
				}
			}
			counters[at].Count(batch)
			for i := range batch {
				clear(batch[i]) // the log's buffers are used again
			}
			counters[at].Flush(background)
			for _, c := range waiting[at] {
				c.at = server.now
				all = append(all, c)
			}
			waiting[at] = nil
			server.pass(time.Duration(rapid.SampledFrom([]int{1, 5000, 60_000}).Draw(t, "later")) * time.Millisecond)
			for range 3 {
				i := rapid.IntRange(0, len(views)-1).Draw(t, "view")
				v := views[i]
				if rapid.IntRange(0, 9).Draw(t, "anew") == 0 {
					windows[i] = hub.Open(v)
				}
				got, want := look(t, windows[i]), recount(all, v, server.now)
				require.ElementsMatch(t, want.Groups, got.Groups, "%+v", v)
				got.Groups, want.Groups, got.Since, got.Reasons = nil, nil, time.Time{}, nil
				require.Equal(t, want, *got, "%+v", v)
			}
		}
	})
}

// drawEvent returns an event and as what it counts.
func drawEvent(t *rapid.T, now time.Time) (event.Event, Figure) {
	e := event.Event{
		Tenant: rapid.SampledFrom([]string{"acme", "acme", "other"}).Draw(t, "tenant"), ID: strconv.Itoa(rapid.IntRange(0, 30).Draw(t, "id")),
		UserID: rapid.SampledFrom([]string{"", "ann", "bo", "cy"}).Draw(t, "user"), WorkflowID: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "workflow"),
		Kind: rapid.SampledFrom(event.Kinds[:]).Draw(t, "kind"),
	}
	figure := map[event.Kind]Figure{event.KindStep: Steps, event.KindCost: CostRecords, event.KindActivity: Actions}[e.Kind]
	switch e.Kind {
	case event.KindExecution:
		e.Status = rapid.SampledFrom([]event.Status{event.StatusStarted, event.StatusCompleted, event.StatusFailed}).Draw(t, "status")
		figure = map[event.Status]Figure{event.StatusStarted: Started, event.StatusCompleted: Completed, event.StatusFailed: Failed}[e.Status]
	case event.KindStep:
		e.Status, e.EndTime = event.StatusSkipped, now.UnixMilli()
	case event.KindCost, event.KindActivity:
	}
	age := time.Duration(rapid.SampledFrom([]int{-5, 0, 1, 14, 16, 60 * 24 * 365}).Draw(t, "age")) * time.Minute
	e.Time = now.Add(-age).UnixMilli()
	if age > Longest && e.Kind != event.KindStep {
		figure = Late
	}
	if rapid.IntRange(0, 9).Draw(t, "correction") == 0 {
		e.PreviousTime = e.Time - 1
	}
	return e, figure
}

// Runs that come in several messages count when a message says what happened; refused
// events are the tenant's and nobody's.
func TestFragmentsAndDeadLetters(t *testing.T) {
	server := newClocked(t)
	client := open(t, server.Addr())
	c := newCounter(t, CounterConfig{Redis: client, Now: func() time.Time { return server.now }})
	fragment := func(run, of string, s event.Status) []byte {
		return event.AppendFragment(nil, &event.Fragment{Tenant: "acme", Run: run, Execution: of, Workflow: "w", StepID: "s", UserID: "ann", Status: s, Time: server.now.UnixMilli(), Duration: event.NoDuration})
	}
	batch := [][]byte{
		fragment("1", "", event.StatusStarted), fragment("1", "", 0), fragment("2", "1", event.StatusStarted), fragment("2", "1", event.StatusCompleted),
		fragment("1", "", event.StatusFailed), fragment("1", "", event.StatusFailed),
		event.AppendDeadLetter(nil, &event.DeadLetter{Tenant: "acme", Code: "too_long"}),
		event.AppendDuplicates(nil, &event.Duplicates{Tenant: "acme", Kind: event.KindCost, Count: 4}),
		nil,
		{99},
		{event.RecordEvent},
	}
	c.Count(batch)
	c.Count([][]byte{batch[len(batch)-5]})
	c.Flush(background)
	server.pass(time.Second)
	hub := newHub(t, client)
	all := look(t, hub.Open(View{Tenant: "acme", All: true, Span: time.Minute}))
	assert.Equal(t, Counts{Started: 1, Failed: 1, Steps: 1, Rejected: 2}, all.Counts)
	own := look(t, hub.Open(View{Tenant: "acme", Users: []string{"ann"}, Span: time.Minute}))
	assert.Equal(t, Counts{Started: 1, Failed: 1, Steps: 1}, own.Counts)
	assert.Equal(t, Counts{}, look(t, hub.Open(View{Tenant: "acme", Users: []string{""}, Span: time.Minute})).Counts)
}

// Groups come with the busiest first, as many as are wanted.
func TestBusiestWorkflows(t *testing.T) {
	server := newClocked(t)
	client := open(t, server.Addr())
	c := newCounter(t, CounterConfig{Redis: client, Now: func() time.Time { return server.now }})
	for i := range 10 {
		for n := range i + 1 {
			c.Count([][]byte{record(event.Event{Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: fmt.Sprint(i, n), WorkflowID: fmt.Sprint("w", i), Time: server.now.UnixMilli()})})
		}
	}
	c.Flush(background)
	server.pass(time.Second)
	s := look(t, newHub(t, client).Open(View{Tenant: "acme", All: true, ByWorkflow: true, Limit: 2, Span: time.Minute}))
	assert.Equal(t, []Group{{"w9", Counts{Completed: 10}}, {"w8", Counts{Completed: 9}}}, s.Groups)
	assert.True(t, s.Truncated)
	assert.Equal(t, Counts{Completed: 55}, s.Counts, "of all")
}

// Counting what keeps coming allocates nothing.
func TestCountingAllocatesNothing(t *testing.T) {
	c, batch := busy(t)
	require.Zero(t, testing.AllocsPerRun(10, func() { c.Count(batch) }))
	require.Zero(t, testing.AllocsPerRun(10, func() { c.take(0) })-testing.AllocsPerRun(10, func() { c.take(0) }))
}

// busy is a counter that has seen a batch of a thousand events of a hundred users.
func busy(t testing.TB) (*Counter, [][]byte) {
	c := newCounter(t, CounterConfig{Redis: open(t, "")})
	var batch [][]byte
	for i := range 1000 {
		batch = append(batch, record(event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", Source: "engine", ID: fmt.Sprint("execution-", i), Time: time.Now().UnixMilli(),
			Duration: 1234, WorkflowID: fmt.Sprint("workflow-", i%30), UserID: fmt.Sprint("user-", i%100), TriggerType: "webhook",
		}))
	}
	c.Count(batch)
	return c, batch
}

// BenchmarkCount is what counting adds to taking an event in. One operation is one event,
// and none is known.
func BenchmarkCount(b *testing.B) {
	c, batch := busy(b)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%len(batch) == 0 {
			b.StopTimer()
			c.seen = newRecent()
			b.StartTimer()
		}
		c.Count(batch[n%len(batch) : n%len(batch)+1])
	}
}

// BenchmarkCountBatch is the same in requests of a thousand. One operation is a request.
func BenchmarkCountBatch(b *testing.B) {
	c, batch := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		clear(c.seen.sets)
		c.Count(batch)
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	c := newCounter(t, CounterConfig{Redis: open(t, ""), Registerer: registry})
	e := record(event.Event{Kind: event.KindCost, Tenant: "acme", ID: "1", Time: time.Now().UnixMilli()})
	c.Count([][]byte{e, e})
	c.Flush(background)
	assert.InDelta(t, 1, testutil.ToFloat64(c.counted), 0)
	assert.InDelta(t, 1, testutil.ToFloat64(c.repeated), 0)
	assert.InDelta(t, 0, testutil.ToFloat64(c.uncounted), 0)
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	assert.Empty(t, problems)
}
