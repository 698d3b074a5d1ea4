package live

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/redis"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

var background = context.Background()

// some are n executions that nobody has counted yet.
func some(n int) (batch [][]byte) {
	for range n {
		serial++
		batch = append(batch, record(event.Event{Kind: event.KindExecution, Status: event.StatusStarted, Tenant: "acme", ID: fmt.Sprint("e", serial), UserID: "ann", Time: time.Now().UnixMilli()}))
	}
	return batch
}

var serial int

// A real Redis and the one in the process give what several collectors counted; frames
// come in more than one page.
func TestRedis(t *testing.T) {
	for name, addr := range map[string]string{"redis": servertest.Redis(t).Addr(), "in process": ""} {
		t.Run(name, func(t *testing.T) {
			client := open(t, addr)
			hub := newHub(t, client)
			w := hub.Open(View{Tenant: "acme", All: true, Span: Longest})
			assert.Equal(t, []string{ReasonNobody}, look(t, w).Reasons)
			collectors := []*Counter{newCounter(t, CounterConfig{Redis: client}), newCounter(t, CounterConfig{Redis: client})}
			for i := range 2*pageSize + 10 {
				collectors[i%2].Count(some(3))
				collectors[i%2].Flush(background)
			}
			time.Sleep(5 * time.Millisecond) // what comes in this millisecond is in the next one
			for _, s := range []*Snapshot{look(t, w), look(t, hub.Open(w.view))} {
				assert.EqualValues(t, 3*(2*pageSize+10), s.Counts[Started])
				assert.Equal(t, []string{ReasonBegan}, s.Reasons)
				assert.False(t, s.Since.IsZero())
			}
			assert.Equal(t, Counts{}, look(t, hub.Open(View{Tenant: "other", All: true, Span: Longest})).Counts)
			ttl := client.TTL(background, streamKey("acme")).Val()
			assert.True(t, ttl > 0 && ttl <= kept, "%v", ttl)
		})
	}
}

// Frames go when no window has them any more, in Redis and here.
func TestOldFramesGo(t *testing.T) {
	server := newClocked(t)
	client := open(t, server.Addr())
	c := newCounter(t, CounterConfig{Redis: client})
	hub := newHub(t, client)
	w := hub.Open(View{Tenant: "acme", All: true, Span: Longest})
	for range 40 {
		c.Count(some(1))
		c.Flush(background)
		server.pass(time.Minute)
		look(t, w)
	}
	entries, err := server.Stream(streamKey("acme"))
	require.NoError(t, err)
	assert.LessOrEqual(t, len(entries), 18)
	assert.LessOrEqual(t, len(w.feed.frames), 17)
	assert.EqualValues(t, 15, look(t, w).Counts[Started])
	server.pass(time.Hour)
	assert.Equal(t, []string{ReasonNobody}, look(t, w).Reasons)
	assert.Equal(t, Counts{}, look(t, w).Counts)
	assert.Empty(t, w.items)
	server.now = server.now.Add(-24 * time.Hour) // another Redis, whose clock is behind
	server.FlushAll()
	server.pass(0)
	c.Flush(background) // which asks for the time, as it does each second
	c.Count(some(2))
	c.Flush(background)
	server.pass(time.Second)
	assert.EqualValues(t, 2, look(t, hub.Open(w.view)).Counts[Started])
}

// While Redis is away the collector goes on as ever; what could not be counted is
// counted as that, and windows say that there is a gap.
func TestRedisGoesAway(t *testing.T) {
	server := servertest.Redis(t)
	client := open(t, server.Addr())
	c := newCounter(t, CounterConfig{Redis: client})
	w := newHub(t, client).Open(View{Tenant: "acme", All: true, Span: time.Minute})
	c.Count(some(5))
	c.Flush(background)
	server.Kill(t)
	c.Count(some(7))
	c.Flush(background)
	c.Count(some(11))
	c.Flush(background)
	_, err := w.Refresh(background)
	require.ErrorIs(t, err, ErrAway)
	assert.InDelta(t, 18, testutil.ToFloat64(c.uncounted), 0)
	server.Start(t)
	require.Eventually(t, func() bool { c.Flush(background); return !c.away }, 30*time.Second, 10*time.Millisecond)
	c.Count(some(2))
	c.Flush(background)
	time.Sleep(5 * time.Millisecond)
	s := look(t, w)
	assert.EqualValues(t, 7, s.Counts[Started], "5 before and 2 after")
	assert.Contains(t, s.Reasons, ReasonGap)
	assert.InDelta(t, 18, testutil.ToFloat64(c.uncounted), 0)
	before := w.At(s.To.Add(time.Minute).UnixMilli())
	assert.NotContains(t, before.Reasons, ReasonGap, "it is over")
}

// A Redis that hangs holds nobody up for long, and nobody who counts at all.
func TestRedisHangs(t *testing.T) {
	server := servertest.Redis(t)
	client := open(t, server.Addr())
	c := newCounter(t, CounterConfig{Redis: client})
	require.NoError(t, client.Do(background, "CLIENT", "PAUSE", "60000", "ALL").Err())
	done := make(chan struct{})
	go func() { c.Flush(background); close(done) }()
	for {
		c.Count(some(1))
		select {
		case <-done:
			assert.True(t, c.away)
			return
		default:
		}
	}
}

// The rights that docs/security.md names are enough.
func TestRightsInRedis(t *testing.T) {
	server := servertest.Redis(t)
	require.NoError(t, open(t, server.Addr()).Do(background, "ACL", "SETUSER", "flowgauge", "on", ">pw",
		"~flowgauge:live:*", "+time", "+get", "+set", "+expire", "+xadd", "+xrange").Err())
	client, err := redis.Open(redis.Config{Addr: server.Addr(), User: "flowgauge", Password: "pw"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	c := newCounter(t, CounterConfig{Redis: client})
	c.Count(some(1))
	c.Flush(background)
	c.Count(some(1))
	c.Flush(background)
	time.Sleep(5 * time.Millisecond)
	assert.EqualValues(t, 2, look(t, newHub(t, client).Open(View{Tenant: "acme", All: true, Span: time.Minute})).Counts[Started])
}
