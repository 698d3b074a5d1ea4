package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// Consumer takes events out of the partitions that the group gives it. One goroutine
// uses it at a time.
type Consumer struct {
	client *kgo.Client
	log    *slog.Logger
	topic  string
	group  string
	ready  []fetched // from the client and not handed out

	mu         sync.Mutex
	partitions map[int32]*partition // that it has at the moment
}

type fetched struct {
	queue.Record
	offset int64
	at     time.Time
}

// partition is how far one is.
type partition struct {
	version uint64 // of the last record from the client
	end     int64  // offset that the brokers will give the next record

	// Of the last record that was handed out.
	handed uint64 // its version
	next   int64  // the offset behind it
	at     time.Time
	dirty  bool // something was handed out since the last commit
}

var _ queue.Consumer = (*Consumer)(nil)

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
		// No partition is taken away between a fetch and its commit, for as long as
		// the brokers are patient.
		kgo.BlockRebalanceOnPoll(),
		kgo.RebalanceTimeout(2*time.Minute),
		kgo.SessionTimeout(30*time.Second),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.OnPartitionsAssigned(c.assigned),
		kgo.OnPartitionsRevoked(c.gone),
		kgo.OnPartitionsLost(c.gone),
		kgo.FetchMaxBytes(32<<20),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return c, nil
}

// Fetch returns the records after the last fetched ones.
func (c *Consumer) Fetch(ctx context.Context, limit int) ([]queue.Record, error) {
	for len(c.ready) == 0 {
		fetches := c.client.PollRecords(ctx, 20_000)
		if fetches.IsClientClosed() {
			return nil, queue.ErrClosed
		}
		if err := c.take(fetches); err != nil {
			return nil, err
		}
		if len(c.ready) > 0 {
			break
		}
		// A poll that gives nothing but errors blocks the group's rebalance too, which
		// then waits for a commit that nobody has a reason for.
		if offsets, _ := c.dirty(); len(offsets) == 0 {
			c.client.AllowRebalance()
		}
		if ctx.Err() != nil {
			return nil, nil
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]queue.Record, min(limit, len(c.ready)))
	for i := range out {
		r := &c.ready[i]
		out[i] = r.Record
		p := c.partitions[r.Partition]
		p.handed, p.next, p.at, p.dirty = uint64(r.Version), r.offset+1, r.at, true
	}
	c.ready = c.ready[len(out):]
	return out, nil
}

// take gives records their versions.
func (c *Consumer) take(fetches kgo.Fetches) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = c.ready[:0]
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := c.partitions[f.Partition]
		if p == nil || len(f.Records) == 0 {
			return
		}
		for _, r := range f.Records {
			p.version = max(p.version+1, uint64(max(0, r.Timestamp.UnixMicro())))
			c.ready = append(c.ready, fetched{
				Record: queue.Record{Version: queue.Version(p.version), Partition: f.Partition, Data: r.Value},
				offset: r.Offset, at: r.Timestamp,
			})
			p.end = max(f.HighWatermark, r.Offset+1)
		}
	})
	var fault error
	fetches.EachError(func(topic string, n int32, err error) {
		var lost *kgo.ErrDataLoss
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		case errors.As(err, &lost):
			// Not survived in silence: accepted events are gone from the brokers.
			fault = fmt.Errorf("kafka: partition %d of %s lost records that were accepted: %w", n, topic, err)
		default: // the client goes on trying
			c.log.Warn("kafka: fetch", "topic", topic, "partition", n, "error", err)
		}
	})
	return fault
}

// Commit says that everything that was fetched is stored. A partition that the
// group has given to somebody else meanwhile stays uncommitted: its records are
// stored again, which changes nothing.
func (c *Consumer) Commit(ctx context.Context) error {
	if len(c.ready) == 0 { // else what is ready might become somebody else's
		defer c.client.AllowRebalance()
	}
	offsets, metadata := c.dirty()
	if len(offsets) == 0 {
		return nil
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				p := &req.Topics[i].Partitions[j]
				text := metadata[p.Partition]
				p.Metadata = &text
			}
		}
		return nil
	})
	var fault error
	c.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{c.topic: offsets}, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, res *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			fault = err
			return
		}
		for _, t := range res.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					fault = err
				}
			}
		}
	})
	switch {
	case fault == nil:
		c.clean(offsets)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	// Whatever it is, nothing is lost: what was not committed comes again.
	c.log.Warn("kafka: offsets were not committed; what they cover may be stored again", "error", fault)
	return nil
}

func (c *Consumer) dirty() (map[int32]kgo.EpochOffset, map[int32]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	offsets, metadata := map[int32]kgo.EpochOffset{}, map[int32]string{}
	for n, p := range c.partitions {
		if p.dirty {
			offsets[n] = kgo.EpochOffset{Epoch: -1, Offset: p.next}
			metadata[n] = formatVersion(p.handed)
		}
	}
	return offsets, metadata
}

func (c *Consumer) clean(offsets map[int32]kgo.EpochOffset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, o := range offsets {
		if p := c.partitions[n]; p != nil && p.next == o.Offset {
			p.dirty = false
		}
	}
}

// assigned reads, for partitions that it gets, the version at which to go on.
func (c *Consumer) assigned(ctx context.Context, client *kgo.Client, got map[string][]int32) {
	versions := map[int32]uint64{}
	for {
		offsets, err := kadm.NewClient(client).FetchOffsetsForTopics(ctx, c.group, c.topic)
		if err == nil {
			err = offsets.Error()
		}
		if err == nil {
			for _, o := range offsets.Offsets()[c.topic] {
				versions[o.Partition] = parseVersion(o.Metadata)
			}
			break
		}
		if ctx.Err() != nil {
			return
		}
		// Without it an event might get a lower version than a correction of it.
		c.log.Warn("kafka: the group's offsets cannot be read; nothing is fetched before", "error", err)
		time.Sleep(time.Second)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range got[c.topic] {
		c.partitions[n] = &partition{version: versions[n]}
	}
}

// gone forgets partitions that somebody else reads on.
func (c *Consumer) gone(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range lost[c.topic] {
		delete(c.partitions, n)
	}
}

const versionPrefix = "version="

func formatVersion(v uint64) string { return versionPrefix + strconv.FormatUint(v, 10) }

// parseVersion returns 0 for what somebody else committed, with a tool say: then the
// append times order the records.
func parseVersion(metadata string) uint64 {
	v, err := strconv.ParseUint(strings.TrimPrefix(metadata, versionPrefix), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// Stats are figures about the partitions that a consumer has.
type Stats struct {
	Partitions int
	Pending    int64         // records that are not fetched yet
	Lag        time.Duration // age of the last fetched record of the partition that is furthest behind
}

// Stats returns the current figures.
func (c *Consumer) Stats() (s Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Partitions = len(c.partitions)
	for _, p := range c.partitions {
		if waiting := p.end - p.next; p.next > 0 && waiting > 0 {
			s.Pending += waiting
			s.Lag = max(s.Lag, time.Since(p.at))
		}
	}
	return s
}

// Close leaves the group, so that others get its partitions at once.
func (c *Consumer) Close() {
	c.client.CloseAllowingRebalance()
}
