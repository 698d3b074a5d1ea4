package redis_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/redis"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

func open(t *testing.T, cfg redis.Config) *redis.Client {
	t.Helper()
	c, err := redis.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The one in this process keeps to itself, and forgets what has expired.
func TestInProcess(t *testing.T) {
	a, b := open(t, redis.Config{}), open(t, redis.Config{})
	assert.False(t, a.Shared())
	require.NoError(t, a.Set(t.Context(), "k", "v", 20*time.Millisecond).Err())
	require.ErrorContains(t, b.Get(t.Context(), "k").Err(), "nil", "another's")
	for a.DBSize(t.Context()).Val() != 0 {
		time.Sleep(5 * time.Millisecond)
	}
}

func ask(ctx context.Context, c *redis.Client) error { return c.Get(ctx, "k").Err() }

// A Redis that is away, that hangs or does not let us in is asked once, and again
// when it is back.
func TestGuard(t *testing.T) {
	server := servertest.Redis(t)
	client := open(t, redis.Config{Addr: server.Addr()})
	assert.True(t, client.Shared())
	g := redis.NewGuard(client, slog.New(slog.DiscardHandler))
	t.Cleanup(g.Close)
	require.ErrorContains(t, g.Do(t.Context(), ask), "nil")
	assert.False(t, g.Away(), "an answer is an answer")
	server.Kill(t)
	require.Error(t, g.Do(t.Context(), ask))
	assert.True(t, g.Away())
	require.ErrorIs(t, g.Do(t.Context(), ask), redis.ErrAway)
	server.Start(t)
	for g.Away() {
		time.Sleep(20 * time.Millisecond)
	}
	require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
	require.NoError(t, g.Do(t.Context(), ask))

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.Do(gone, ask), context.Canceled)
	assert.False(t, g.Away(), "the caller left, Redis did not")
	require.NoError(t, client.ConfigSet(t.Context(), "requirepass", "p").Err())
	stranger := redis.NewGuard(open(t, redis.Config{Addr: server.Addr(), Password: "wrong"}), slog.New(slog.DiscardHandler))
	t.Cleanup(stranger.Close)
	require.Error(t, stranger.Do(t.Context(), ask))
	assert.True(t, stranger.Away(), "a wrong password is not tried with each request")

	server.Kill(t) // so that no probe succeeds
	err := g.Do(t.Context(), func(ctx context.Context, _ *redis.Client) error { <-ctx.Done(); return ctx.Err() })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.True(t, g.Away(), "it hangs")
}
