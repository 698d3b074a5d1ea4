package sink_test

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/queue"
)

type queueRecord = queue.Record

// onlyOnce is a consumer that hands out given records and forgets its commit, as
// a process does that is killed at that moment.
type onlyOnce struct {
	records   []queue.Record
	committed chan struct{}
	once      sync.Once
}

func (c *onlyOnce) Fetch(ctx context.Context, _ int) ([]queue.Record, error) {
	if len(c.records) == 0 {
		<-ctx.Done()
		return nil, nil
	}
	out := c.records
	c.records = nil
	return out, nil
}

func (c *onlyOnce) Commit(context.Context) error {
	c.once.Do(func() { close(c.committed) })
	return nil
}

// errKilled is what a sink gets to see of the moment at which it is killed.
var errKilled = errors.New("killed")

// mortal is a database, and a log's consumer, that kill the sink at a step.
type mortal struct {
	*clickhouse.Client
	queue.Consumer
	step  string // "insert TABLE", "select" or "commit"
	nth   int    // how often the step is passed before
	after bool   // the step is carried out, and its answer lost
	kill  context.CancelFunc
	dead  bool
}

func (m *mortal) pass(step string, do func(context.Context) error) error {
	if m.dead {
		return errKilled
	}
	if step != m.step {
		return do(context.Background())
	}
	if m.nth--; m.nth >= 0 {
		return do(context.Background())
	}
	if m.after {
		if err := do(context.Background()); err != nil {
			return err
		}
	}
	m.dead = true
	m.kill()
	return errKilled
}

func (m *mortal) Insert(_ context.Context, table string, blocks ...proto.Input) error {
	return m.pass("insert "+table, func(ctx context.Context) error { return m.Client.Insert(ctx, table, blocks...) })
}

func (m *mortal) Do(_ context.Context, q clickhouse.Query) error {
	step := "select"
	if q.Input != nil {
		step = "insert " + strings.Trim(strings.Fields(q.SQL)[2], `"`)
	}
	return m.pass(step, func(ctx context.Context) error { return m.Client.Do(ctx, q) })
}

func (m *mortal) Commit(context.Context) error {
	return m.pass("commit", m.Consumer.Commit)
}
