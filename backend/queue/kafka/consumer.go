package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// Consumer takes events out of the partitions that the group gives it. One goroutine
// may fetch while another commits.
type Consumer struct {
	client *kgo.Client
	log    *slog.Logger
	topic  string
	group  string

	wanted atomic.Bool // the group waits for this consumer
	losses atomic.Int64

	mu         sync.Mutex
	partitions map[int32]*partition // that it has at the moment
	spans      []span               // what was fetched and is not committed, in order
	wake       context.CancelFunc   // ends the poll that is under way
}

var (
	_ queue.Shared = (*Consumer)(nil)
	_ queue.Ahead  = (*Consumer)(nil)
)

// sessionTimeout is how long a consumer may be silent before the brokers think that
// it is dead.
const sessionTimeout = 30 * time.Second

// NewConsumer joins the group when it is first used.
func NewConsumer(opts Options) (*Consumer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	c := &Consumer{log: opts.Logger, topic: opts.Topic, group: opts.Group, partitions: map[int32]*partition{}}
	var err error
	c.client, err = kgo.NewClient(opts.connection(
		kgo.ConsumerGroup(opts.Group),
		kgo.ConsumeTopics(opts.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsCallbackBlocked(c.blocked),
		kgo.RebalanceTimeout(opts.Patience),
		kgo.SessionTimeout(min(sessionTimeout, opts.Patience)),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.OnOffsetsFetched(c.assigned),
		kgo.OnPartitionsRevoked(c.gone),
		kgo.OnPartitionsLost(c.gone),
		kgo.FetchMaxBytes(32<<20),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return c, nil
}

// Fetch returns the records after the last fetched ones. It returns none as soon as
// the group waits for a commit.
//
// It alone lets the group go on, when nothing is uncommitted: done while a poll is
// under way, partitions could be taken away whose records the poll returns.
func (c *Consumer) Fetch(ctx context.Context, limit int) ([]queue.Record, error) {
	for ctx.Err() == nil {
		poll, done := c.begin(ctx)
		if poll == nil {
			return nil, nil
		}
		fetches := c.client.PollRecords(poll, max(limit, 1))
		done()
		if fetches.IsClientClosed() {
			return nil, queue.ErrClosed
		}
		c.report(fetches)
		if records, err := c.take(fetches); len(records) > 0 || err != nil {
			return records, err
		}
	}
	return nil, nil
}

// begin returns the context of a poll, which ends when the group wants something, or
// nil when it waits for a commit.
func (c *Consumer) begin(ctx context.Context) (context.Context, func()) {
	c.mu.Lock()
	open := len(c.spans) > 0
	if open && c.wanted.Load() {
		c.mu.Unlock()
		return nil, nil
	}
	if !open {
		c.wanted.Store(false)
	}
	poll, cancel := context.WithCancel(ctx)
	c.wake = cancel
	c.mu.Unlock()
	if !open {
		c.client.AllowRebalance()
	}
	return poll, func() {
		cancel()
		c.mu.Lock()
		c.wake = nil
		c.mu.Unlock()
	}
}

// blocked is told that the group waits for this consumer.
func (c *Consumer) blocked(context.Context, *kgo.Client) {
	c.wanted.Store(true)
	c.interrupt()
}

// interrupt ends a poll that holds the group up or would.
func (c *Consumer) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wanted.Load() && c.wake != nil {
		c.wake()
	}
}

// take gives records their versions and notes that they are not committed.
func (c *Consumer) take(fetches kgo.Fetches) ([]queue.Record, error) {
	n := fetches.NumRecords()
	if n == 0 {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]queue.Record, 0, n)
	var fault error
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if len(f.Records) == 0 {
			return
		}
		p := c.partitions[f.Partition]
		if p == nil { // a version made up here might put a correction before its event
			fault = fmt.Errorf("kafka: records of partition %d came although it was not assigned", f.Partition)
			return
		}
		before := p.fetched
		for _, r := range f.Records {
			p.fetched = p.fetched.after(r)
			out = append(out, queue.Record{Version: p.fetched.version, Partition: f.Partition, Data: r.Value})
		}
		before.offset = f.Records[0].Offset
		p.end = max(p.end, f.HighWatermark, p.fetched.offset)
		c.spans = append(c.spans, span{partition: f.Partition, of: p, records: len(f.Records), from: before, to: p.fetched})
	})
	return out, fault
}

// report logs what went wrong; the client goes on by itself.
func (c *Consumer) report(fetches kgo.Fetches) {
	fetches.EachError(func(topic string, n int32, err error) {
		var lost *kgo.ErrDataLoss
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		case errors.As(err, &lost):
			c.losses.Add(1)
			c.log.Error("kafka: the brokers have lost records that were accepted", "topic", topic, "partition", n, "error", err)
		default:
			c.log.Warn("kafka: fetch", "topic", topic, "partition", n, "error", err)
		}
	})
}

// assigned notes, for partitions that it gets, where reading goes on and with which
// version. Both are of one answer of the brokers, so they belong together.
func (c *Consumer) assigned(_ context.Context, _ *kgo.Client, res *kmsg.OffsetFetchResponse) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range res.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					continue
				}
				at := position{offset: max(p.Offset, 0)}
				if p.Offset >= 0 && p.Metadata != nil {
					at.version = parseVersion(*p.Metadata)
				}
				c.partitions[p.Partition] = &partition{fetched: at, committed: at}
			}
		}
	}
	return nil
}

// gone forgets partitions that somebody else reads on.
func (c *Consumer) gone(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range lost[c.topic] {
		delete(c.partitions, n)
	}
}

// Close leaves the group, so that others get its partitions at once.
func (c *Consumer) Close() {
	c.client.CloseAllowingRebalance()
}
