package cache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/cache"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/backend/redis"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var (
	start = time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC) // the clock changes in Berlin two days later
	admin = access.Principal{Tenant: "acme", Role: access.RoleAdmin}
	ann   = access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	team  = access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"bob", "ann"}}
	other = access.Principal{Tenant: "other", Role: access.RoleAdmin}
)

// clock is a present that a test moves.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func newEngine(t testing.TB, s *querytest.Store, c *clock) *query.Engine {
	t.Helper()
	e, err := query.New(query.Config{Client: s.Client, Now: c.read, PendingTTL: -1})
	require.NoError(t, err)
	return e
}

func newCache(t testing.TB, e cache.Engine, c *clock, r *redis.Client) (*cache.Cache, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	out, err := cache.New(cache.Config{Engine: e, Redis: r, Now: c.read, Registerer: registry})
	require.NoError(t, err)
	t.Cleanup(out.Close)
	return out, registry
}

// requests are of all sorts: in pieces, whole, with a top, compared, gauges, raw.
func requests(c *clock) []query.Request {
	days := func(n int) time.Time { return start.AddDate(0, 0, n) }
	workflow := []query.Filter{{Dimension: "workflow", Operator: query.In, Values: []string{"wf-a"}}}
	return []query.Request{
		{Metrics: []string{"executions", "duration_p95", "success_rate"}, Granularity: query.Hour, From: days(0), To: days(4)},
		{Metrics: []string{"executions", "executing_users"}, Granularity: query.Hour, TimeZone: "Europe/Berlin", From: c.now.Add(-50 * time.Hour), To: c.now},
		{Metrics: []string{"executions_failed"}, Granularity: query.Minute, GroupBy: []string{"error_type"}, From: c.now.Add(-3*time.Hour - 7*time.Second), To: c.now.Add(time.Minute)},
		{Metrics: []string{"dollars", "credits"}, Granularity: query.Day, GroupBy: []string{"action_type"}, TimeZone: "America/New_York", From: days(0).Add(5 * time.Hour), To: days(5)},
		{Metrics: []string{"steps", "step_duration_p90"}, Granularity: query.Hour, GroupBy: []string{"step"}, From: days(1), To: c.now},
		{Metrics: []string{"steps"}, Granularity: query.Day, Filters: workflow, From: days(0), To: days(5)},
		{Metrics: []string{"active_users", "sessions"}, Granularity: query.Day, From: days(0), To: days(6)},
		{Metrics: []string{"executions", "dollars"}, GroupBy: []string{"workflow"}, Limit: 2, From: days(0), To: days(5)},
		{Metrics: []string{"executions"}, Granularity: query.Day, GroupBy: []string{"workflow"}, Limit: 1, From: days(0), To: days(5)},
		{Metrics: []string{"executions", "actions"}, Granularity: query.Day, Compare: query.PreviousDay, From: days(1), To: days(4)},
		{Metrics: []string{"executions_running"}, Granularity: query.Hour, From: days(1), To: days(3)},
		{Metrics: []string{"executions_running"}, From: days(1), To: c.now.Add(time.Hour)},
		{Kind: query.KindErrors, From: days(0), To: days(5)},
		{Metrics: []string{"pending_buckets"}, From: days(0), To: days(5)},
		{Metrics: []string{"executions"}, Granularity: query.Week, From: days(-9), To: days(9)},
		{Metrics: []string{"executions"}, Granularity: query.Hour, From: days(2), To: days(1)}, // refused
	}
}

var nextID int

// events makes some of each kind, now and then one that was there before with other
// fields.
func events(r *rand.Rand, tenant string, at time.Time, n int) []event.Event {
	var out []event.Event
	for range n {
		id := nextID
		if nextID++; r.IntN(4) == 0 {
			id = r.IntN(nextID)
		}
		ms := at.UnixMilli() + r.Int64N(3_600_000)
		e := event.Event{
			Kind: event.KindExecution, Status: event.StatusStarted, Tenant: tenant, ID: strconv.Itoa(id), Time: ms, PreviousTime: event.NoTime,
			WorkflowID: []string{"wf-a", "wf-b", "wf-c"}[r.IntN(3)], WorkflowVersion: 1, UserID: []string{"ann", "bob", "eve", ""}[r.IntN(4)], TriggerType: "cron",
		}
		end := e
		end.Status, end.Duration = event.StatusCompleted, r.Int64N(5000)
		if r.IntN(3) == 0 {
			end.Status, end.ErrorType, end.ErrorMessage = event.StatusFailed, []string{"io", "timeout"}[r.IntN(2)], "it broke"
		}
		end.Time += r.Int64N(7_200_000)
		amount, _ := event.ParseDecimal(fmt.Appendf(nil, "%d.%06d", r.IntN(5)-1, r.IntN(1e6)))
		step := event.Event{
			Kind: event.KindStep, Status: event.StatusCompleted, Tenant: tenant, ID: e.ID + "s", Time: ms, EndTime: event.NoTime, Duration: r.Int64N(900),
			ExecutionID: e.ID, StepID: []string{"s1", "s2"}[r.IntN(2)], StepType: "http", Credits: amount,
		}
		cost := event.Event{Kind: event.KindCost, Tenant: tenant, ID: e.ID + "c", Time: ms, WorkflowID: e.WorkflowID, UserID: e.UserID, ActionType: "api", Credits: amount, Dollars: amount}
		act := event.Event{Kind: event.KindActivity, Tenant: tenant, ID: e.ID + "a", Time: ms, UserID: e.UserID, Duration: 5, Action: "login", Resource: "wf"}
		all := []event.Event{e, end, step, cost, act}
		out = append(out, all[r.IntN(3):]...) // Some ends come without a start, and steps before their execution.
	}
	return out
}

// same compares an answer through the cache with one without it. How it was read may
// differ.
func same(t *testing.T, want, got *query.Result, wantErr, gotErr error, of string) {
	t.Helper()
	if wantErr != nil {
		require.EqualError(t, gotErr, wantErr.Error(), of)
		return
	}
	require.NoError(t, gotErr, of)
	require.Equal(t, text(t, want.Frame), text(t, got.Frame), of)
	require.Equal(t, want.Exact, got.Exact, of)
	w, g := want.Meta, got.Meta
	for _, m := range []*query.Meta{&w, &g} {
		m.Sources, m.SQL, m.RowsRead, m.Elapsed = nil, nil, 0, 0
	}
	require.Equal(t, w, g, of)
}

func text(t *testing.T, f *data.Frame) string {
	t.Helper()
	b, err := f.MarshalJSON()
	require.NoError(t, err)
	return string(b)
}

// Whatever comes when, through the cache come the answers that come without it: of a
// process that has seen all, and of one that has just started and finds what others
// left in Redis.
func TestAnswersAreThoseWithoutTheCache(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("CACHE_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("CACHE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	s, c := querytest.New(t), &clock{start.AddDate(0, 0, 3)}
	server := servertest.Redis(t)
	client, err := redis.Open(redis.Config{Addr: server.Addr()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	bare := newEngine(t, s, c)
	long, registry := newCache(t, newEngine(t, s, c), c, client)
	for day := range 3 {
		s.Insert(t, events(r, "acme", start.AddDate(0, 0, day).Add(9*time.Hour), 12)...)
	}
	s.Insert(t, events(r, "other", start, 3)...)
	s.Settle(t)
	for step := range 10 {
		switch r.IntN(8) {
		case 0: // late
			s.Insert(t, events(r, "acme", start.Add(time.Duration(r.IntN(72))*time.Hour), 2)...)
		case 1: // live
			s.Insert(t, events(r, "acme", c.now.Add(-time.Hour), 2)...)
		case 2, 3:
			s.Settle(t)
		case 4:
			c.now = c.now.Add(time.Duration(r.Int64N(int64(2 * time.Hour))))
		}
		all := requests(c)
		p := []access.Principal{admin, admin, ann, team, other}[r.IntN(5)]
		for range 3 {
			request := all[r.IntN(len(all))]
			want, wantErr := bare.Do(t.Context(), p, request)
			of := fmt.Sprintf("step %d, %s: %+v", step, p.Role, request)
			got, err := long.Do(t.Context(), p, request)
			same(t, want, got, wantErr, err, of)
			got, err = long.Do(t.Context(), p, request)
			same(t, want, got, wantErr, err, of+" again")
			young, _ := newCache(t, newEngine(t, s, c), c, client)
			got, err = young.Do(t.Context(), p, request)
			same(t, want, got, wantErr, err, of+" from Redis")
		}
	}
	require.Zero(t, outcomes(t, registry)["garbage"], "what one left in Redis the other can read")
}

// outcomes counts questions by outcome.
func outcomes(t *testing.T, r *prometheus.Registry) map[string]int {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	out := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				out[l.GetValue()] += int(m.GetCounter().GetValue())
			}
		}
	}
	return out
}

// asking counts what reaches the engine.
type asking struct {
	cache.Engine
	mu    sync.Mutex // pieces are asked for at the same time
	asked []query.Request
	stall bool // the change feed gives nothing new
	last  *query.Changes
}

func (a *asking) Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	a.mu.Lock()
	a.asked = append(a.asked, r)
	a.mu.Unlock()
	return a.Engine.Do(ctx, p, r)
}

func (a *asking) Changes(ctx context.Context, tenant string, tolerated time.Duration) (*query.Changes, error) {
	if a.stall {
		old := *a.last
		old.At = time.Now().Add(-6 * time.Second)
		return &old, nil
	}
	c, err := a.Engine.Changes(ctx, tenant, tolerated)
	a.last = c
	return c, err
}

// A window that moves asks for its ends only, an event that comes late for its own hour
// besides, and while nobody knows what has changed all is asked for.
func TestAMovingWindowAsksForItsEnds(t *testing.T) {
	s, c := querytest.New(t), &clock{start.AddDate(0, 0, 1).Add(10 * time.Minute)}
	r := rand.New(rand.NewPCG(1, 2))
	s.Insert(t, events(r, "acme", start.Add(5*time.Hour), 20)...)
	s.Settle(t)
	a := &asking{Engine: newEngine(t, s, c)}
	cached, registry := newCache(t, a, c, nil)
	window := func() (asked []query.Request) {
		a.asked = nil
		_, err := cached.Do(t.Context(), admin, query.Request{Metrics: []string{"executions"}, Granularity: query.Quarter, From: c.now.Add(-24 * time.Hour), To: c.now})
		require.NoError(t, err)
		return a.asked
	}
	total := func(asked []query.Request) (d time.Duration) {
		for _, r := range asked {
			d += r.To.Sub(r.From)
		}
		return d
	}
	require.Equal(t, 24*time.Hour, total(window()))
	require.Empty(t, window(), "nothing has changed")
	c.now = c.now.Add(20 * time.Second)
	asked := window()
	require.Len(t, asked, 2)
	require.Equal(t, time.Hour, total(asked), "50 minutes of the first hour, 10 of the last")
	require.Equal(t, map[string]int{"hit": 1, "miss": 1, "partial": 1}, pick(outcomes(t, registry), "hit", "miss", "partial"))

	s.Insert(t, event.Event{
		Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: "late", Time: start.Add(6*time.Hour + 5*time.Minute).UnixMilli(),
		PreviousTime: event.NoTime, WorkflowID: "wf-a",
	})
	s.Settle(t)
	c.now = c.now.Add(20 * time.Second)
	require.Equal(t, 2*time.Hour, total(window()), "and the hour of that execution")

	a.stall = true
	require.Equal(t, 24*time.Hour, total(window()))
	require.Equal(t, 1, outcomes(t, registry)["change feed"])
}

// A whole answer for the period of a piece is no such piece: what it says of its period,
// and of rows that it leaves out, is about itself.
func TestPiecesAreNoWholeAnswers(t *testing.T) {
	s, c := querytest.New(t), &clock{start.AddDate(0, 0, 5)}
	for day := range 4 {
		s.Insert(t, events(rand.New(rand.NewPCG(uint64(day), 3)), "acme", start.AddDate(0, 0, day).Add(9*time.Hour), 12)...)
	}
	s.Settle(t)
	bare := newEngine(t, s, c)
	cached, _ := newCache(t, newEngine(t, s, c), c, nil)
	days := func(from, to int) query.Request {
		return query.Request{Metrics: []string{"executions"}, Granularity: query.Day, GroupBy: []string{"workflow"}, From: start.AddDate(0, 0, from), To: start.AddDate(0, 0, to)}
	}
	// The long one leaves its days as pieces, each of which is asked for whole then.
	for _, r := range []query.Request{days(0, 4), days(1, 2), days(2, 3), days(0, 3), days(0, 4)} {
		want, err := bare.Do(t.Context(), admin, r)
		require.NoError(t, err)
		got, err := cached.Do(t.Context(), admin, r)
		same(t, want, got, nil, err, fmt.Sprint(r.From, r.To))
	}
}

func pick(all map[string]int, names ...string) map[string]int {
	out := map[string]int{}
	for _, n := range names {
		out[n] = all[n]
	}
	return out
}

// slowFeed is an engine whose change feed is too old to go by, as when the database is
// slow, and whose answers take a moment.
type slowFeed struct {
	cache.Engine
	asked   atomic.Int64
	release chan struct{}
}

func (s *slowFeed) Changes(context.Context, string, time.Duration) (*query.Changes, error) {
	return &query.Changes{At: time.Now().Add(-time.Minute)}, nil
}

func (s *slowFeed) Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	s.asked.Add(1)
	<-s.release
	return s.Engine.Do(ctx, p, r)
}

// When nobody knows what is current, thousands who ask the same do not ask the database
// thousands of times.
func TestEqualQuestionsShareAnAnswerWhileTheFeedIsOld(t *testing.T) {
	s := querytest.New(t)
	c := &clock{now: start.AddDate(0, 0, 5)}
	s.Insert(t, events(rand.New(rand.NewPCG(1, 2)), "acme", start, 20)...)
	s.Settle(t)
	engine := &slowFeed{Engine: newEngine(t, s, c), release: make(chan struct{})}
	kept, _ := newCache(t, engine, c, nil)
	r := query.Request{Metrics: []string{"executions"}, From: start, To: start.AddDate(0, 0, 1)}
	var all sync.WaitGroup
	var rows atomic.Int64
	for i := range 400 {
		who := []access.Principal{admin, ann}[i%2]
		all.Go(func() {
			res, err := kept.Do(t.Context(), who, r)
			if err == nil {
				rows.Add(int64(res.Frame.Rows()))
			}
		})
	}
	require.Eventually(t, func() bool { return engine.asked.Load() == 2 }, 10*time.Second, time.Millisecond, "one for each scope")
	time.Sleep(50 * time.Millisecond) // for those who would ask as well
	close(engine.release)
	all.Wait()
	require.EqualValues(t, 2, engine.asked.Load())
	require.EqualValues(t, 400, rows.Load())
}
