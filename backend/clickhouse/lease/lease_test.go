package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// database returns a way to make clients, one for each process that a test plays.
func database(t *testing.T) func() *clickhouse.Client {
	cfg := schematest.Config(t)
	open := func() *clickhouse.Client {
		client, err := clickhouse.New(cfg)
		require.NoError(t, err)
		t.Cleanup(client.Close)
		return client
	}
	require.NoError(t, schema.Migrate(t.Context(), open()))
	return open
}

func candidate(t *testing.T, client *clickhouse.Client, holder string, ttl time.Duration) *Lease {
	t.Helper()
	l, err := New(Config{Client: client, Name: "test", Holder: holder, TTL: ttl})
	require.NoError(t, err)
	return l
}

func TestReleaseGivesOverAtOnce(t *testing.T) {
	open := database(t)
	const never = 10 * time.Hour
	first, err := candidate(t, open(), "a", never).Acquire(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, first.Number())
	got := make(chan *Term)
	b := candidate(t, open(), "b", time.Second)
	go func() {
		term, err := b.Acquire(t.Context())
		assert.NoError(t, err)
		got <- term
	}()
	first.Release()
	second := <-got
	require.EqualValues(t, 2, second.Number())
	require.ErrorIs(t, first.Check(t.Context()), ErrLost)
	second.Release()
}

func TestAHolderThatStartsAgainResumesAtOnce(t *testing.T) {
	open := database(t)
	const never = 10 * time.Hour
	killed, err := candidate(t, open(), "a", never).Acquire(t.Context())
	require.NoError(t, err)
	again, err := candidate(t, open(), "a", never).Acquire(t.Context())
	require.NoError(t, err)
	require.Equal(t, killed.Number()+1, again.Number())
	again.Release()
}

// pause stops a leader's signs of life, as a stopped process does.
func (t *Term) pause() {
	t.cancel(nil)
	<-t.stopped
}

func TestASilentLeaderIsSucceeded(t *testing.T) {
	open := database(t)
	ctx := t.Context()
	silent, err := candidate(t, open(), "a", 200*time.Millisecond).Acquire(ctx)
	require.NoError(t, err)
	silent.pause()
	last, err := silent.Allocate(ctx, 0, 10)
	require.NoError(t, err)
	next, err := candidate(t, open(), "b", 200*time.Millisecond).Acquire(ctx)
	require.NoError(t, err)
	require.Equal(t, silent.Number()+1, next.Number())

	_, err = silent.Allocate(ctx, 0, 10)
	require.ErrorIs(t, err, ErrLost)
	number, err := next.Allocate(ctx, 0, 10)
	require.NoError(t, err)
	require.Greater(t, number, last)
	next.Release()
}

// A server whose clock was set back shows a dead leader's last sign of life in
// the future.
func TestAClockThatWasSetBackHoldsNobodyUp(t *testing.T) {
	open := database(t)
	ctx, client := t.Context(), open()
	require.NoError(t, client.Exec(ctx, `INSERT INTO leases (name, term, claim, holder, beat, seen_at, stamp)
SELECT 'test', 7, 'x', 'a', 1, toUnixTimestamp64Micro(now64(6) + INTERVAL 1 DAY), toUnixTimestamp64Micro(now64(6) + INTERVAL 1 DAY)`, nil))
	before, err := Now(ctx, client, "test")
	require.NoError(t, err)
	term, err := candidate(t, open(), "b", 300*time.Millisecond).Acquire(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 8, term.Number())
	number, err := term.Allocate(ctx, 0, 1)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, number, before, "numbers go on rising")
	after, err := Now(ctx, client, "test")
	require.NoError(t, err)
	assert.Greater(t, after, number, "and so do stamps")
	term.Release()
}

// Ten candidates, each of which may be cut off from the database while it leads:
// no number is given out twice, and numbers are in the order of terms.
func TestNumbersAreInTheOrderOfTerms(t *testing.T) {
	open := database(t)
	type given struct {
		holder string
		term   uint64
		number uint64
	}
	var mu sync.Mutex
	var all []given
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for i := range 10 {
		holder := fmt.Sprint("h", i)
		client := open()
		l := candidate(t, client, holder, 500*time.Millisecond)
		group.Go(func() {
			_ = l.Run(ctx, func(ctx context.Context, term *Term) error {
				for n := range 3 {
					if i%3 == 0 && n == 2 {
						client.Close() // killed: nothing is released
						return errors.New("killed")
					}
					number, err := term.Allocate(ctx, 0, 8)
					if err != nil {
						return ErrLost
					}
					stamp, err := Now(ctx, client, "test")
					if err != nil {
						return ErrLost
					}
					assert.GreaterOrEqual(t, stamp, number+8)
					mu.Lock()
					all = append(all, given{holder, term.Number(), number})
					if len(all) >= 40 {
						cancel()
					}
					mu.Unlock()
				}
				return nil
			})
		})
	}
	group.Wait()
	highest, holders := map[uint64]uint64{}, map[uint64]string{}
	last := uint64(0)
	for _, g := range all {
		if h, ok := holders[g.term]; ok {
			require.Equal(t, h, g.holder, "one leader a term")
		}
		holders[g.term] = g.holder
		highest[g.term] = max(highest[g.term], g.number)
		last = max(last, g.term)
	}
	seen := uint64(0)
	for term := range last + 1 {
		for _, g := range all {
			if g.term == term {
				require.Greater(t, g.number, seen)
			}
		}
		seen = max(seen, highest[term])
	}
}

func TestConfigSaysWhatIsMissing(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "client")
	_, err = New(Config{Client: &clickhouse.Client{}})
	require.ErrorContains(t, err, "holder")
	_, err = New(Config{Client: &clickhouse.Client{}, Name: "n", Holder: "h", TTL: -1})
	require.ErrorContains(t, err, "-1")
}
