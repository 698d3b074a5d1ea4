package limit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/limit"
	"github.com/flowgauge/flowgauge/backend/redis"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

func none(string) access.Limits { return access.Limits{} }

func open(t testing.TB, addr string) *redis.Client {
	t.Helper()
	c, err := redis.Open(redis.Config{Addr: addr})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newLimiter(t testing.TB, cfg limit.Config) *limit.Limiter {
	t.Helper()
	if cfg.Limits == nil {
		cfg.Limits = none
	}
	l, err := limit.New(cfg)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

func allow(t require.TestingT, l *limit.Limiter, key string, events int) time.Duration {
	wait, err := l.Allow(context.Background(), key, events)
	require.NoError(t, err)
	return wait
}

// The clock is the Redis', so a test can set it.
func TestBurstThenRate(t *testing.T) {
	m := miniredis.RunT(t)
	m.ClockTTL(true)
	now := time.Unix(1_800_000_000, 0)
	m.SetTime(now)
	l := newLimiter(t, limit.Config{Redis: open(t, m.Addr()), Default: limit.Default{EventsPerSecond: 10, Burst: 2 * time.Second}})
	assert.Zero(t, allow(t, l, "k", 15))
	assert.Equal(t, 100*time.Millisecond, allow(t, l, "k", 6), "six do not go into five")
	assert.Zero(t, allow(t, l, "k", 5), "what was refused cost nothing")
	assert.Equal(t, 100*time.Millisecond, allow(t, l, "k", 1))
	assert.Zero(t, allow(t, l, "other", 20), "each key has its own")
	m.SetTime(now.Add(100 * time.Millisecond))
	assert.Zero(t, allow(t, l, "k", 1))
	assert.NotZero(t, allow(t, l, "k", 1))

	m.SetTime(now.Add(time.Hour))
	assert.Empty(t, m.Keys(), "a limit that is not used takes no memory")
	assert.Zero(t, allow(t, l, "k", 1000), "a request larger than the burst passes when nothing else is charged")
	assert.Equal(t, 98*time.Second+100*time.Millisecond, allow(t, l, "k", 1), "and those behind it wait")
}

// Against a model: two buckets that fill with time.
func TestAgainstAModel(t *testing.T) {
	m := miniredis.RunT(t)
	m.ClockTTL(true)
	shared, own := open(t, m.Addr()), open(t, "")
	var key atomic.Int64
	for name, client := range map[string]*redis.Client{"in Redis": shared, "in the process": own} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				const burst = 4.0 // seconds
				events, requests := float64(rapid.SampledFrom([]int{1, 2, 5, 50}).Draw(t, "events/s")), float64(rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "requests/s"))
				l, err := limit.New(limit.Config{Redis: client, Limits: none, Default: limit.Default{EventsPerSecond: events, RequestsPerSecond: requests, Burst: burst * time.Second}})
				require.NoError(t, err)
				defer l.Close()
				now := time.Unix(1_800_000_000, 0)
				limit.SetClock(l, func() time.Duration { return time.Duration(now.UnixNano()) })
				id := time.Duration(key.Add(1)).String()
				haveEvents, haveRequests := events*burst, requests*burst
				for range rapid.IntRange(1, 30).Draw(t, "steps") {
					// Quarters of seconds and rates without thirds keep floats exact.
					passed := time.Duration(rapid.IntRange(0, 8).Draw(t, "passed")) * 250 * time.Millisecond
					now = now.Add(passed)
					m.SetTime(now)
					haveEvents = min(events*burst, haveEvents+passed.Seconds()*events)
					haveRequests = min(requests*burst, haveRequests+passed.Seconds()*requests)
					n := rapid.IntRange(0, 100).Draw(t, "n")
					fits := haveRequests >= 1 && (n == 0 || haveEvents >= min(float64(n), events*burst))
					wait := allow(t, l, id, n)
					require.Equal(t, fits, wait == 0, "%v of %v events, %v requests: wait %v", n, haveEvents, haveRequests, wait)
					if fits {
						haveEvents, haveRequests = haveEvents-float64(n), haveRequests-1
					}
				}
			})
		})
	}
}

// However many keys come and go, what is kept is what is charged.
func TestMemoryIsBounded(t *testing.T) {
	l := newLimiter(t, limit.Config{Redis: open(t, ""), Default: limit.Default{EventsPerSecond: 1, Burst: time.Second}})
	var now time.Duration
	limit.SetClock(l, func() time.Duration { return now })
	for i := range 100_000 {
		now += time.Millisecond
		assert.Zero(t, allow(t, l, time.Duration(i).String(), 1))
		require.Less(t, limit.Kept(l), 5_000)
	}
}

func TestOwnLimits(t *testing.T) {
	limits := map[string]access.Limits{
		"free":    {EventsPerSecond: new(0.0)},
		"own":     {EventsPerSecond: new(1.0), BurstSeconds: new(3.0)},
		"default": {},
	}
	m := miniredis.RunT(t)
	m.SetTime(time.Unix(1_800_000_000, 0))
	l := newLimiter(t, limit.Config{
		Redis: open(t, m.Addr()), Limits: func(id string) access.Limits { return limits[id] },
		Default: limit.Default{EventsPerSecond: 1, Burst: time.Second},
	})
	for id, want := range map[string]int{"free": 10, "own": 3, "default": 1} {
		passed := 0
		for range 10 {
			if allow(t, l, id, 1) == 0 {
				passed++
			}
		}
		assert.Equal(t, want, passed, id)
	}
}

// slow is a limit of 100 events that fills so slowly that no test sees it.
var slow = limit.Default{EventsPerSecond: 1e-4, Burst: 1e6 * time.Second}

func TestCollectorsShareABudget(t *testing.T) {
	for name, addr := range map[string]string{"redis": servertest.Redis(t).Addr(), "miniredis": miniredis.RunT(t).Addr()} {
		t.Run(name, func(t *testing.T) {
			var passed atomic.Int64
			var senders sync.WaitGroup
			for range 4 {
				l := newLimiter(t, limit.Config{Redis: open(t, addr), Default: slow})
				senders.Go(func() {
					for range 60 {
						if allow(t, l, "k", 1) == 0 {
							passed.Add(1)
						}
					}
				})
			}
			senders.Wait()
			assert.EqualValues(t, 100, passed.Load())
		})
	}
}

// A Redis user needs no more rights than docs/security.md says.
func TestRightsInRedis(t *testing.T) {
	server := servertest.Redis(t)
	require.NoError(t, open(t, server.Addr()).Do(t.Context(), "ACL", "SETUSER", "flowgauge", "on", ">pw",
		"~flowgauge:limit:*", "+evalsha", "+eval", "+time", "+get", "+set", "+ping").Err())
	c, err := redis.Open(redis.Config{Addr: server.Addr(), User: "flowgauge", Password: "pw"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	l := newLimiter(t, limit.Config{Redis: c, Default: slow})
	assert.Zero(t, allow(t, l, "k", 100))
	assert.NotZero(t, allow(t, l, "k", 1))
}

// While Redis is away everything is let in, and counted; when it is back, with
// what it knew, the limit holds again.
func TestRedisGoesAway(t *testing.T) {
	server := servertest.Redis(t)
	registry := prometheus.NewPedanticRegistry()
	l := newLimiter(t, limit.Config{Redis: open(t, server.Addr()), Default: slow, Registerer: registry})
	assert.Zero(t, allow(t, l, "k", 100))
	assert.NotZero(t, allow(t, l, "k", 1))
	server.Kill(t)
	for range 100 {
		assert.Zero(t, allow(t, l, "k", 1))
	}
	assert.Equal(t, 100, value(t, registry, "flowgauge_limit_unchecked_total"))
	server.Start(t)
	for allow(t, l, "k", 1) == 0 {
		time.Sleep(50 * time.Millisecond)
	}
	assert.Equal(t, 2, value(t, registry, "flowgauge_limit_refused_total"))
}

func value(t *testing.T, g prometheus.Gatherer, name string) int {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return int(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// Keys without a limit never ask Redis.
func TestNoLimitCostsNothing(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	l := newLimiter(t, limit.Config{Redis: open(t, "127.0.0.1:1"), Registerer: registry})
	assert.Zero(t, allow(t, l, "k", 1_000_000))
	assert.Zero(t, value(t, registry, "flowgauge_limit_unchecked_total"))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestMiddleware(t *testing.T) {
	l := newLimiter(t, limit.Config{Redis: open(t, ""), Default: limit.Default{RequestsPerSecond: 1e-4, Burst: 2e4 * time.Second}})
	router := gin.New()
	router.Use(l.Middleware(func(r *http.Request) (string, bool) { return "k", r.Header.Get("Authorization") != "" }))
	router.GET("/", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	get := func(key string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", key)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		return w
	}
	assert.Equal(t, http.StatusNoContent, get("k").Code)
	assert.Equal(t, http.StatusNoContent, get("k").Code)
	w := get("k")
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
	assert.NotEmpty(t, w.Header().Get("Retry-After"))
	assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	assert.Contains(t, w.Body.String(), `"code":"rate_limited"`)
	assert.Equal(t, http.StatusNoContent, get("").Code, "nobody's: the handler refuses it")
}

// BenchmarkAllow is a check without a limit, with one in the process, and in Redis.
func BenchmarkAllow(b *testing.B) {
	for name, d := range map[string]limit.Default{
		"none":    {},
		"process": {EventsPerSecond: 1e9, Burst: time.Minute},
	} {
		b.Run(name, func(b *testing.B) {
			l := newLimiter(b, limit.Config{Redis: open(b, ""), Default: d})
			b.ReportAllocs()
			for b.Loop() {
				_ = allow(b, l, "k", 1)
			}
		})
	}
	b.Run("redis", func(b *testing.B) {
		l := newLimiter(b, limit.Config{Redis: open(b, servertest.Redis(b).Addr()), Default: limit.Default{EventsPerSecond: 1e9, Burst: time.Minute}})
		b.ReportAllocs()
		for b.Loop() {
			_ = allow(b, l, "k", 1)
		}
	})
}
