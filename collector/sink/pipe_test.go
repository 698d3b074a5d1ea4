package sink_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/gather"
	"github.com/flowgauge/flowgauge/collector/sink"
)

type nothing struct{}

func (nothing) Gather(context.Context, []gather.Fragment) ([]gather.Row, error) { return nil, nil }

// topic is a log of records that is shared and can be committed in parts.
type topic struct {
	mu        sync.Mutex
	records   []queue.Record
	fetched   int
	committed int
	wanted    bool
	released  int
	changed   *sync.Cond
}

func newTopic(t *testing.T, n int) *topic {
	c := &topic{}
	c.changed = sync.NewCond(&c.mu)
	for i := range n {
		e := samples(t)[2]
		e.ID, e.Time = "c", e.Time+int64(i)
		c.records = append(c.records, queue.Record{Version: queue.Version(1e15 + float64(i)), Partition: 3, Data: event.AppendBinary(nil, &e)})
	}
	return c
}

func (c *topic) Fetch(ctx context.Context, limit int) ([]queue.Record, error) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock() // or it comes between the look at ctx and the wait, and wakes nobody
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for ctx.Err() == nil {
		if c.wanted && c.fetched > c.committed {
			return nil, nil
		}
		if n := min(limit, len(c.records)-c.fetched); n > 0 {
			out := c.records[c.fetched : c.fetched+n]
			c.fetched += n
			c.changed.Broadcast()
			return out, nil
		}
		c.changed.Wait()
	}
	return nil, nil
}

func (c *topic) Commit(context.Context) error { panic("it commits in parts") }

func (c *topic) CommitFirst(_ context.Context, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.committed += n
	c.changed.Broadcast()
	return nil
}

func (c *topic) Wanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted
}

func (c *topic) Holds(context.Context) bool { return true }

func (c *topic) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetched, c.wanted, c.released = c.committed, false, c.released+1
	c.changed.Broadcast()
}

// wait waits until something is so.
func (c *topic) wait(so func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !so() {
		c.changed.Wait()
	}
}

// gate is a database that takes what it is let take.
type gate struct {
	insert func(table string, rows int) error
}

func (g *gate) Do(context.Context, clickhouse.Query) error { return nil }

func (g *gate) Insert(_ context.Context, table string, blocks ...proto.Input) error {
	return g.insert(table, rowsOf(blocks))
}

func run(t *testing.T, c queue.Consumer, db sink.Database, batch int) (stop func()) {
	t.Helper()
	s, err := sink.New(sink.Config{Consumer: c, Client: db, Gather: nothing{}, BatchSize: batch, Linger: time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

// While a batch is being stored the next one is fetched; commits cover what is stored.
func TestTheNextBatchIsFilledMeanwhile(t *testing.T) {
	c := newTopic(t, 25)
	var rows []int
	db := &gate{insert: func(table string, n int) error {
		if table == "costs" {
			c.wait(func() bool { return c.fetched >= min(c.committed+20, 25) }) // never, one after the other
			c.mu.Lock()
			rows = append(rows, n)
			c.mu.Unlock()
		}
		return nil
	}}
	stop := run(t, c, db, 10)
	c.wait(func() bool { return c.committed == 25 })
	stop()
	assert.Equal(t, []int{10, 10, 5}, rows)
}

// When others wait and ClickHouse is away, what was fetched is given back.
func TestABatchThatOthersWaitForIsGivenBack(t *testing.T) {
	c := newTopic(t, 25)
	away := true
	db := &gate{insert: func(string, int) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if away {
			c.wanted = true
			return &clickhouse.Error{Class: clickhouse.ClassUnavailable, Err: context.DeadlineExceeded}
		}
		return nil
	}}
	stop := run(t, c, db, 10)
	c.wait(func() bool { return c.released >= 3 }) // it goes on until ClickHouse is back
	c.mu.Lock()
	assert.Zero(t, c.committed)
	away = false
	c.mu.Unlock()
	c.wait(func() bool { return c.committed == 25 })
	stop()
}

// A group that waits for a commit gets it, and reading goes on behind it.
func TestAGroupThatWaitsGetsItsCommit(t *testing.T) {
	c := newTopic(t, 25)
	c.wanted = true
	db := &gate{insert: func(string, int) error { return nil }}
	stop := run(t, c, db, 10)
	c.wait(func() bool { return c.committed == 25 })
	stop()
	assert.Zero(t, c.released)
}
