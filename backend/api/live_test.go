package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/live"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/redis"
)

// liveRig is the endpoint with a counter that fills it. Its caller says by headers who
// they are; the key may be revoked.
type liveRig struct {
	*API
	counter *live.Counter
	redis   *redis.Client
	server  *httptest.Server
	records chan query.AuditRecord
	denied  atomic.Pointer[error]
	policy  atomic.Pointer[query.Policy]
}

func (r *liveRig) Authenticate(req *http.Request) (access.Principal, error) {
	if err := r.denied.Load(); err != nil {
		return access.Principal{}, *err
	}
	p, err := roles{}.Authenticate(req)
	p.TeamUserIDs, p.KeyID = []string{"ann", "bo"}, req.Header.Get("X-Key")
	return p, err
}

func (r *liveRig) Policy(context.Context, access.Principal) (query.Policy, error) {
	return *r.policy.Load(), nil
}

func (r *liveRig) Audit(_ context.Context, rec query.AuditRecord) error {
	r.records <- rec
	return nil
}

func newLiveRig(t *testing.T, addr string, change func(*Live)) *liveRig {
	t.Helper()
	client, err := redis.Open(redis.Config{Addr: addr})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	r := &liveRig{redis: client, records: make(chan query.AuditRecord, 100)}
	r.policy.Store(&query.Policy{})
	engine, err := query.New(query.Config{Client: new(clickhouse.Client), Policies: r, Auditor: r})
	require.NoError(t, err)
	hub, err := live.NewHub(client)
	require.NoError(t, err)
	r.counter, err = live.NewCounter(live.CounterConfig{Redis: client})
	require.NoError(t, err)
	cfg := Live{Hub: hub, Scope: engine}
	change(&cfg)
	r.API, err = New(Config{Analytics: engine, Authenticator: r, Live: cfg, Denied: func(err error) bool { return errors.Is(err, errNoKey) }})
	require.NoError(t, err)
	r.server = httptest.NewUnstartedServer(r.Handler())
	r.server.Config.WriteTimeout = 300 * time.Millisecond // of other answers
	r.server.Start()
	t.Cleanup(r.server.Close)
	t.Cleanup(r.CloseStreams)
	return r
}

// count takes executions of users in and waits until they can be seen.
func (r *liveRig) count(users ...string) {
	var batch [][]byte
	for i, u := range users {
		batch = append(batch, event.AppendBinary(nil, &event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: u + time.Now().String() + strings.Repeat("i", i), UserID: u, WorkflowID: "of " + u,
			Time: time.Now().UnixMilli(), PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		}))
	}
	batch = append(batch, event.AppendDeadLetter(nil, &event.DeadLetter{Tenant: "acme"}))
	r.counter.Count(batch)
	r.counter.Flush(context.Background())
	time.Sleep(300 * time.Millisecond) // reads are shared for a quarter of a second
}

func (r *liveRig) get(t *testing.T, role, query string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.server.URL+Root+"/live"+query, nil)
	require.NoError(t, err)
	req.Header.Set("X-Role", role)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func decoded(t *testing.T, r io.Reader) (a liveAnswer) {
	t.Helper()
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&a))
	return a
}

func TestLiveAsJSON(t *testing.T) {
	r := newLiveRig(t, "", func(*Live) {})
	r.count("ann", "ann", "bo", "cy", "")
	for role, want := range map[string]map[string]uint64{
		"admin":   {"executions_completed": 5, "events_rejected": 1},
		"manager": {"executions_completed": 3},
		"viewer":  {"executions_completed": 2},
	} {
		a := decoded(t, r.get(t, role, "?window=5m&groupBy=workflow&limit=1").Body)
		assert.Equal(t, want["executions_completed"], a.Counters["executions_completed"], role)
		_, there := a.Counters["events_rejected"]
		assert.Equal(t, role == "admin", there, role)
		assert.Equal(t, want["events_rejected"], a.Counters["events_rejected"], role)
		assert.Equal(t, []string{live.ReasonBegan}, a.Reasons, role)
		assert.Equal(t, stateDegraded, a.State)
		assert.Equal(t, 5*time.Minute, a.To.Sub(a.From))
		require.Len(t, a.Workflows, 1, role)
		assert.Equal(t, "of ann", a.Workflows[0].Workflow, role)
		assert.Equal(t, role != "viewer", a.Truncated, role)
		rec := <-r.records
		assert.Equal(t, query.Kind("live"), rec.Kind)
		assert.Equal(t, 2, rec.Rows)
		assert.Equal(t, map[string]string{"window": "5m0s"}, rec.Params)
		assert.Equal(t, "rest", rec.Surface)
	}
	r.policy.Store(&query.Policy{Minimum: 2, Redact: []string{"steps"}})
	a := decoded(t, r.get(t, "manager", "").Body)
	assert.NotContains(t, a.Counters, "steps")
	assert.Zero(t, a.To.Second(), "whole minutes")
	for _, c := range []struct {
		role, query string
		status      int
		param       string
	}{
		{"manager", "?groupBy=workflow", 403, ""},
		{"manager", "?workflow=x", 403, ""},
		{"manager", "?window=5m", 400, "window"},
		{"admin", "?window=4s", 400, "window"},
		{"admin", "?window=16m", 400, "window"},
		{"admin", "?interval=61s", 400, "interval"},
		{"admin", "?groupBy=user", 400, "groupBy"},
		{"admin", "?limit=0", 400, "limit"},
		{"", "", 401, ""},
		{"ingest", "", 403, ""},
	} {
		resp := r.get(t, c.role, c.query)
		assert.Equal(t, c.status, resp.StatusCode, "%+v", c)
		var p Problem
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&p))
		assert.Equal(t, c.param, p.Param, "%+v", c)
	}
	assert.Equal(t, 406, r.get(t, "admin", "", "Accept", "text/csv").StatusCode)
	assert.Equal(t, "application/json; charset=utf-8", r.get(t, "admin", "", "Accept", "*/*").Header.Get("Content-Type"))
	require.NoError(t, r.redis.Close())
	time.Sleep(300 * time.Millisecond)
	resp := r.get(t, "admin", "")
	assert.Equal(t, 503, resp.StatusCode)
	assert.NotEmpty(t, resp.Header.Get("Retry-After"))
}

// stream reads messages as they come.
type stream struct {
	raw  *bytes.Buffer
	next chan sse.Event
}

const events = "text/event-stream"

func (r *liveRig) stream(t *testing.T, role, query string, header ...string) *stream {
	t.Helper()
	resp := r.get(t, role, query, append(header, "Accept", events)...)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, events, resp.Header.Get("Content-Type"))
	s := &stream{raw: new(bytes.Buffer), next: make(chan sse.Event)}
	go func() {
		defer close(s.next)
		for e, err := range sse.Read(io.TeeReader(resp.Body, s.raw), nil) {
			if err != nil {
				return
			}
			s.next <- e
		}
	}()
	return s
}

func (s *stream) counters(t *testing.T) (string, liveAnswer) {
	t.Helper()
	e, ok := <-s.next
	require.True(t, ok, "the stream has ended")
	require.Equal(t, "counters", e.Type, e.Data)
	return e.LastEventID, decoded(t, strings.NewReader(e.Data))
}

// until reads on until a message says what is waited for.
func (s *stream) until(t *testing.T, what func(liveAnswer) bool) (id string) {
	t.Helper()
	for {
		id, a := s.counters(t)
		if what(a) {
			return id
		}
	}
}

// A stream tells what happens while it happens, for longer than an answer may take, each
// to whom may see it; its reading is recorded.
func TestLiveStream(t *testing.T) {
	r := newLiveRig(t, "", func(l *Live) { l.Heartbeat = 50 * time.Millisecond })
	all, own := r.stream(t, "admin", "?interval=1s"), r.stream(t, "viewer", "?interval=1s")
	began := time.Now()
	r.count("ann", "bo")
	all.until(t, func(a liveAnswer) bool { return a.Counters["executions_completed"] == 2 })
	own.until(t, func(a liveAnswer) bool { return a.Counters["executions_completed"] == 1 })
	r.count("bo")
	all.until(t, func(a liveAnswer) bool { return a.Counters["executions_completed"] == 3 })
	_, a := own.counters(t)
	assert.EqualValues(t, 1, a.Counters["executions_completed"])
	require.Greater(t, time.Since(began), r.server.Config.WriteTimeout)
	for range 2 {
		rec := <-r.records
		assert.Equal(t, map[string]string{"window": "1m0s", "interval": "1s"}, rec.Params)
		assert.Equal(t, query.OutcomeAnswered, rec.Outcome)
	}
	r.CloseStreams()
	for _, s := range []*stream{all, own} {
		var last sse.Event
		for e := range s.next {
			last = e
		}
		assert.Equal(t, "end", last.Type)
		assert.Contains(t, last.Data, "urn:flowgauge:problem:closing")
		assert.Contains(t, s.raw.String(), "retry: 3000\n\n")
		assert.Contains(t, s.raw.String(), ": \n\n", "a heartbeat")
		assert.Positive(t, (<-r.records).Rows, "its end is recorded")
	}
}

// Who was away is told what they missed, as it was seen by those who were not.
func TestLiveStreamIsTakenUpAgain(t *testing.T) {
	r := newLiveRig(t, "", func(*Live) {})
	watcher := r.stream(t, "admin", "?interval=1s&window=5s")
	id, _ := watcher.counters(t)
	r.count("ann")
	watcher.until(t, func(a liveAnswer) bool { return a.Counters["executions_completed"] == 1 })
	watcher.until(t, func(a liveAnswer) bool { return a.Counters["executions_completed"] == 0 }) // five seconds later
	again := r.stream(t, "admin", "?interval=1s&window=5s", "Last-Event-ID", id)
	seen := 0
	again.until(t, func(a liveAnswer) bool {
		if a.Counters["executions_completed"] == 1 {
			seen++
		}
		return seen > 0 && a.Counters["executions_completed"] == 0
	})
	assert.InDelta(t, 5, seen, 1)
	ended := make(chan string, 1)
	go func() { id, _ := again.counters(t); ended <- id }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("it does not go on")
	}
	for _, bad := range []string{"x", "-1", "1e3", strings.Repeat("9", 16)} {
		assert.Equal(t, 400, r.get(t, "admin", "", "Accept", events, "Last-Event-ID", bad).StatusCode, bad)
	}
}

// A stream ends when its key is revoked, and shows no more than its reader may see by now.
func TestLiveStreamAsksAgain(t *testing.T) {
	r := newLiveRig(t, "", func(l *Live) { l.Again = 50 * time.Millisecond })
	s := r.stream(t, "manager", "?interval=1s&groupBy=workflow")
	r.count("ann", "bo", "cy")
	s.until(t, func(a liveAnswer) bool { return a.Counters["executions_completed"] == 2 })
	r.policy.Store(&query.Policy{Redact: []string{"executions_completed"}})
	s.until(t, func(a liveAnswer) bool { _, there := a.Counters["executions_completed"]; return !there })
	unsure := errors.New("the database does not answer")
	r.denied.Store(&unsure)
	s.counters(t)
	s.counters(t)
	gone := errNoKey
	r.denied.Store(&gone)
	var last sse.Event
	for e := range s.next {
		last = e
	}
	assert.Equal(t, "end", last.Type)
	assert.Contains(t, last.Data, "unauthenticated")

	r.denied.Store(nil)
	r.policy.Store(&query.Policy{})
	s = r.stream(t, "manager", "?interval=1s&groupBy=workflow")
	s.counters(t)
	r.policy.Store(&query.Policy{Minimum: 3})
	last = sse.Event{}
	for e := range s.next {
		last = e
	}
	assert.Equal(t, "end", last.Type)
	assert.Contains(t, last.Data, "groups of 3 users")
}

func TestLiveStreamsAreFew(t *testing.T) {
	r := newLiveRig(t, "", func(l *Live) { l.Streams, l.StreamsPerKey = 3, 2 })
	open := func(key string) int {
		resp := r.get(t, "admin", "", "Accept", events, "X-Key", key)
		if resp.StatusCode == http.StatusTooManyRequests {
			assert.NotEmpty(t, resp.Header.Get("Retry-After"))
		}
		return resp.StatusCode
	}
	assert.Equal(t, []int{200, 200, 429, 200, 429}, []int{open("a"), open("a"), open("a"), open("b"), open("b")})
	assert.Equal(t, 200, r.get(t, "admin", "", "X-Key", "a").StatusCode, "JSON is no stream")
	r.CloseStreams()
	require.Eventually(t, func() bool {
		r.streams.mu.Lock()
		defer r.streams.mu.Unlock()
		return r.streams.count == 0 && len(r.streams.open) == 0
	}, 10*time.Second, 10*time.Millisecond)
}

func TestNoLiveCountersHere(t *testing.T) {
	h, _ := newHandler(t, &fake{})
	status, _, body := call(t, h, "admin", http.MethodGet, Root+"/live", "")
	assert.Equal(t, http.StatusNotImplemented, status, body)
}
