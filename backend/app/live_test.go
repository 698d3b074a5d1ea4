package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"

	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

type liveCounters struct {
	To       time.Time
	State    string
	Reasons  []string
	Counters map[string]int64
}

// watch opens a stream of live counters and returns its messages.
func (s *server) watch(key, query string) <-chan sse.Event {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/api/v1/analytics/live"+query, nil)
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := s.http.Do(req)
	require.NoError(s.t, err)
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	out := make(chan sse.Event)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		for e, err := range sse.Read(resp.Body, nil) {
			if err != nil {
				return
			}
			select {
			case out <- e:
			case <-s.t.Context().Done():
				return
			}
		}
	}()
	return out
}

// await reads messages until one is as wanted.
func await(t *testing.T, messages <-chan sse.Event, wanted func(liveCounters) bool) {
	t.Helper()
	for e := range messages {
		require.Equal(t, "counters", e.Type, e.Data)
		var c liveCounters
		require.NoError(t, json.Unmarshal([]byte(e.Data), &c))
		if wanted(c) {
			return
		}
	}
	t.Fatal("the stream has ended")
}

func completed(n int64) func(liveCounters) bool {
	return func(c liveCounters) bool { return c.Counters["executions_completed"] == n }
}

// What a collector takes is on the streams of a server, another process, in seconds,
// each reader's own part of it. Redis is killed meanwhile: the collector goes on, the
// stream says so, and goes on afterwards. A revoked key's stream ends, and all do when
// the server stops.
func TestLive(t *testing.T) {
	redis := servertest.Redis(t)
	t.Setenv("FLOWGAUGE_REDIS__ADDR", redis.Addr())
	d := newDeployment(t)
	d.run("migrate")
	d.writeKey(d.run("keys", "create", "--name", "test", "--scope", "admin"))
	viewer := strings.TrimSpace(d.run("keys", "create", "--name", "ann's", "--scope", "read", "--role", "viewer", "--user", "ann"))
	collector, server := d.start("collector"), d.start("server")
	requireRoles(t, collector, server)
	n := 0
	send := func(users ...string) {
		t.Helper()
		var lines strings.Builder
		for _, u := range users {
			n++
			fmt.Fprintf(&lines, `{"kind":"execution","id":"x%d","timestamp":%q,"workflowId":"w","userId":%q,"triggerId":"t","triggerType":"cron","status":"completed","duration":5}`+"\n",
				n, time.Now().UTC().Format(time.RFC3339Nano), u)
		}
		for range 2 { // again, as who got no answer does
			status, body := collector.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(lines.String()))
			require.Equal(t, http.StatusAccepted, status, string(body))
		}
	}
	all := server.watch(server.key(), "?interval=1s&window=15m")
	own := server.watch(viewer, "?interval=1s&window=15m")
	send("ann", "bo", "cy")
	await(t, all, completed(3))
	await(t, own, completed(1))

	redis.Kill(t)
	await(t, all, func(c liveCounters) bool { return c.State == "degraded" && c.Counters == nil })
	send("ann", "bo")
	assert.Equal(t, http.StatusServiceUnavailable, server.status(viewer, http.MethodGet, "/api/v1/analytics/live", ""))
	redis.Start(t)
	await(t, all, func(c liveCounters) bool { return c.Counters != nil })
	send("ann")
	await(t, all, func(c liveCounters) bool { return c.Counters["executions_completed"] >= 4 })
	_, metrics := collector.call(http.MethodGet, "/metrics", "", nil)
	assert.Contains(t, string(metrics), "flowgauge_live_repeated_events_total 6\n")

	id, ok := keystore.ID(viewer)
	require.True(t, ok)
	d.run("keys", "revoke", id)
	var last sse.Event
	for e := range own {
		last = e
	}
	assert.Equal(t, "end", last.Type)
	assert.Contains(t, last.Data, "unauthenticated")
	server.stop()
	for e := range all {
		last = e
	}
	assert.Equal(t, "end", last.Type)
	assert.Contains(t, last.Data, "closing")
	require.Zero(t, server.cmd.ProcessState.ExitCode())
}
