package rollup

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
)

// cluster is a database and the rollers of several processes.
type cluster struct {
	t      *testing.T
	cfg    clickhouse.Config
	client *clickhouse.Client
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, cfg: schematest.Config(t)}
	c.client = c.connect()
	require.NoError(t, schema.Migrate(t.Context(), c.client))
	return c
}

func (c *cluster) connect() *clickhouse.Client {
	client, err := clickhouse.New(c.cfg)
	require.NoError(c.t, err)
	c.t.Cleanup(client.Close)
	return client
}

func (c *cluster) roller(holder string, ttl time.Duration) *Roller {
	r, err := New(Config{Client: c.connect(), Holder: holder, TTL: ttl, Interval: time.Millisecond})
	require.NoError(c.t, err)
	r.chunk, r.delay = 25, 0 // one day takes several recomputations
	return r
}

// settled waits until nothing is pending, and compares the rollups with a recount,
// also after merges have taken what does not count.
func (c *cluster) settled() {
	c.t.Helper()
	for _, k := range kinds {
		l := &leader{Roller: &Roller{client: c.client}}
		var left []change
		require.Eventually(c.t, func() bool {
			var err error
			left, err = l.marked(c.t.Context(), k)
			return err == nil && len(left) == 0
		}, 5*time.Minute, 50*time.Millisecond, "%s: %v", k.name, &left)
	}
	requireRollupsEqualRecount(c.t, c.client)
	for _, k := range kinds {
		run(c.t, c.client, "OPTIMIZE TABLE "+k.rollup+" FINAL")
		run(c.t, c.client, "OPTIMIZE TABLE "+k.narrow+" FINAL")
	}
	requireRollupsEqualRecount(c.t, c.client)
}

var tables = []string{"executions", "steps", "costs", "activity"}

// Leaders are killed and others stand by while events come in.
func TestRollersSucceedEachOtherUnderLoad(t *testing.T) {
	c := newCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	start := func(ctx context.Context, r *Roller) {
		group.Go(func() { assert.NoError(t, r.Run(ctx)) })
	}
	start(ctx, c.roller("b", 300*time.Millisecond))
	start(ctx, c.roller("c", 300*time.Millisecond))
	load := newLoad(3)
	for range 3 {
		// Killed after its n-th statement: its client is closed, so that it cannot
		// even release the lease.
		victim, killed := c.roller("a", 300*time.Millisecond), make(chan struct{})
		statements, n := 0, load.rng.IntN(12)
		victim.stage = func(stage) {
			if statements++; statements == n {
				victim.client.Close()
				close(killed)
			}
		}
		vctx, vcancel := context.WithCancel(ctx)
		start(vctx, victim)
		for range 4 {
			load.insert(t, c.client, tables[load.rng.IntN(len(tables))], 60)
			if load.rng.IntN(4) == 0 {
				run(t, c.client, "OPTIMIZE TABLE rollup_executions")
			}
		}
		select {
		case <-killed:
		default: // it never led
		}
		vcancel()
	}
	c.settled()
	cancel()
	group.Wait()
}

// A leader is stopped at some point of a recomputation, others lead and go, more
// events come, and it wakes up at a bad moment and does the rest of what it was
// doing. It may even publish, when it was stopped behind its last look at the
// lease.
func TestALeaderThatWakesUpHarmsNothing(t *testing.T) {
	for name, at := range map[string]stage{"before it reads": allocated, "while it writes": written, "before it publishes": checked} {
		t.Run(name, func(t *testing.T) {
			for _, nth := range []int{2} {
				c := newCluster(t)
				load := newLoad(uint64(nth))
				for _, table := range tables {
					load.insert(t, c.client, table, 30)
				}
				sleeper := c.roller("sleeper", time.Hour)
				asleep, awake := make(chan struct{}), make(chan struct{})
				seen := 0
				sleeper.stage = func(s stage) {
					if s == at {
						if seen++; seen == nth {
							close(asleep)
							<-awake
						}
					}
				}
				done := make(chan error)
				go func() {
					_, err := sleeper.Settle(t.Context())
					done <- err
				}()
				<-asleep
				// Its signs of life go on, since only the test knows that it sleeps; a
				// candidate of the same name takes over all the same.
				other := c.roller("sleeper", time.Hour)
				woken := 0
				other.stage = func(stage) {
					if woken++; woken == 4+nth {
						close(awake) // in the middle of the other's work
						time.Sleep(20 * time.Millisecond)
					}
				}
				for _, table := range tables {
					load.insert(t, c.client, table, 10)
				}
				_, err := other.Settle(t.Context())
				require.NoError(t, err)
				if err := <-done; err != nil {
					require.ErrorContains(t, err, "another process leads now")
				}
				for range 3 {
					_, err = c.roller("third", time.Hour).Settle(t.Context())
					require.NoError(t, err)
				}
				c.settled()
			}
		})
	}
}

func TestMarksThatAreSettledArePruned(t *testing.T) {
	c := newCluster(t)
	r := c.roller("a", time.Hour)
	load := newLoad(9)
	load.insert(t, c.client, "costs", 50)
	_, err := r.Settle(t.Context())
	require.NoError(t, err)
	run(t, c.client, `INSERT INTO bucket_marks (tenant, kind, minute, marked_at) SELECT tenant, kind, minute, marked_at - 20 * 86400000000 FROM bucket_marks`)
	run(t, c.client, `INSERT INTO bucket_marks (tenant, kind, minute, marked_at) VALUES ('never', 'cost', '2024-01-01 00:00:00', toUnixTimestamp64Micro(now64(6)) - 30 * 86400000000)`)
	count := func() []string {
		return lines(t, c.client, "SELECT toString(count()) AS line FROM bucket_marks FINAL")
	}
	before := count()
	term, err := r.lease.Acquire(t.Context())
	require.NoError(t, err)
	defer term.Release()
	l := r.leader(term)
	require.NoError(t, l.prune(t.Context()))
	assert.NotEqual(t, before, count())
	assert.Equal(t, []string{"0"}, lines(t, c.client, "SELECT toString(count()) AS line FROM bucket_marks WHERE marked_at < toUnixTimestamp64Micro(now64(6)) - 10 * 86400000000 AND tenant != 'never'"))
	assert.Equal(t, []string{"1"}, lines(t, c.client, "SELECT toString(count()) AS line FROM bucket_marks WHERE tenant = 'never'"), "it has no version yet")
	run(t, c.client, "ALTER TABLE bucket_marks DELETE WHERE tenant = 'never' SETTINGS mutations_sync = 1")
	c.settled()
}

// A server whose clock is a day back stamps marks behind versions all the same.
func TestAClockThatWasSetBackLosesNothing(t *testing.T) {
	c := newCluster(t)
	run(t, c.client, `INSERT INTO leases (name, term, claim, holder, beat, seen_at, stamp, released)
SELECT 'rollup', 3, 'x', 'before', 1, 0, toUnixTimestamp64Micro(now64(6) + INTERVAL 1 DAY), 1`)
	r := c.roller("a", time.Hour)
	load := newLoad(4)
	for range 3 {
		for _, table := range tables {
			load.insert(t, c.client, table, 25)
		}
		_, err := r.Settle(t.Context())
		require.NoError(t, err)
	}
	_, err := r.Settle(t.Context())
	require.NoError(t, err)
	c.settled()
}
