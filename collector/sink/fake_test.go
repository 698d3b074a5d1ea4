package sink_test

import (
	"context"
	"sync"

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
