package cache_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/backend/redis"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

// With a Redis that is full of garbage, holds others' answers under a question's name,
// or dies, questions are answered as if there were none.
func TestRedisIsNotToBeTrusted(t *testing.T) {
	s, c := querytest.New(t), &clock{start.AddDate(0, 0, 3)}
	s.Insert(t, events(rand.New(rand.NewPCG(3, 4)), "acme", start.Add(9*time.Hour), 20)...)
	s.Settle(t)
	server := servertest.Redis(t)
	client, err := redis.Open(redis.Config{Addr: server.Addr()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	ask := func(p access.Principal, of string) map[string]int {
		young, registry := newCache(t, newEngine(t, s, c), c, client)
		for i, r := range requests(c)[:6] {
			want, wantErr := newEngine(t, s, c).Do(t.Context(), p, r)
			got, err := young.Do(t.Context(), p, r)
			same(t, want, got, wantErr, err, of+" "+requestName(i))
		}
		return outcomes(t, registry)
	}
	ask(ann, "ann's")
	anns, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.NotEmpty(t, anns)
	values := map[string]string{}
	for _, k := range anns {
		values[k] = client.Get(t.Context(), k).Val()
	}
	ask(admin, "admin's")
	all, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Greater(t, len(all), len(anns), "a viewer's answers are not the administrator's")

	foreign := values[anns[0]]
	for _, k := range all {
		require.NoError(t, client.Set(t.Context(), k, foreign, 0).Err())
	}
	require.Positive(t, ask(admin, "ann's answers under the administrator's names")["garbage"])
	for damage, spoil := range map[string]func(string) string{
		"cut":      func(v string) string { return v[:len(v)/2] },
		"flipped":  func(v string) string { return v[:len(v)-9] + string(v[len(v)-9]^4) + v[len(v)-8:] },
		"not ours": func(string) string { return strings.Repeat("garbage", 99) },
		"empty":    func(string) string { return "" },
	} {
		for k, v := range values {
			require.NoError(t, client.Set(t.Context(), k, spoil(v), 0).Err())
		}
		require.Positive(t, ask(ann, damage)["garbage"], damage)
	}
	server.Kill(t)
	require.Positive(t, ask(ann, "killed")["read"])
}

func requestName(i int) string { return "request " + string(rune('a'+i)) }

// slow answers when it is told to.
type slow struct {
	*query.Engine
	mu        sync.Mutex
	asked     int
	answer    chan struct{}
	arrived   chan struct{}
	cancelled chan struct{}
}

func (s *slow) Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	s.arrived <- struct{}{}
	select {
	case <-s.answer:
		return s.Engine.Do(ctx, p, r)
	case <-ctx.Done():
		close(s.cancelled)
		return nil, ctx.Err()
	}
}

// Who asks what others ask at the moment waits for their answer. One that leaves takes
// nothing from the others; when all have left the work ends.
func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	s, c := querytest.New(t), &clock{start.AddDate(0, 0, 3)}
	s.Insert(t, events(rand.New(rand.NewPCG(5, 6)), "acme", start, 3)...)
	s.Settle(t)
	inner, err := query.New(query.Config{Client: s.Client, Now: c.read, PendingTTL: time.Hour})
	require.NoError(t, err)
	e := &slow{Engine: inner, answer: make(chan struct{}), arrived: make(chan struct{}, 9), cancelled: make(chan struct{})}
	cached, _ := newCache(t, e, c, nil)
	r := query.Request{Metrics: []string{"executions"}, From: start, To: start.AddDate(0, 0, 1)}
	first, leave := context.WithCancel(t.Context())
	type answer struct {
		res *query.Result
		err error
	}
	answers := make(chan answer, 9)
	ask := func(ctx context.Context) {
		res, err := cached.Do(ctx, admin, r)
		answers <- answer{res, err}
	}
	go ask(first)
	<-e.arrived
	for range 5 {
		go ask(t.Context())
	}
	leave()
	gone := <-answers
	require.ErrorIs(t, gone.err, context.Canceled)
	// Others may have come before or after; none of them is cancelled.
	close(e.answer)
	for range 5 {
		a := <-answers
		if errors.Is(a.err, context.Canceled) {
			t.Fatal("another's leaving cancelled it")
		}
		require.NoError(t, a.err)
		assert.Equal(t, 1, a.res.Frame.Rows())
	}

	e.answer = make(chan struct{})
	r.To = r.To.Add(time.Hour)
	last, leave := context.WithCancel(t.Context())
	for len(e.arrived) > 0 {
		<-e.arrived
	}
	go ask(last)
	<-e.arrived
	leave()
	require.ErrorIs(t, (<-answers).err, context.Canceled)
	<-e.cancelled
}
