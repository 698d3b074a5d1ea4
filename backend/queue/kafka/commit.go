package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Commit says that everything that was fetched is stored.
func (c *Consumer) Commit(ctx context.Context) error {
	c.mu.Lock()
	n := 0
	for _, s := range c.spans {
		n += s.records
	}
	c.mu.Unlock()
	return c.CommitFirst(ctx, n)
}

// CommitFirst says that the first n of the records that were fetched and not
// committed are stored. A partition that the group has given to somebody else
// meanwhile stays uncommitted: its records are stored again, which changes nothing.
func (c *Consumer) CommitFirst(ctx context.Context, n int) error {
	done, err := c.stored(n)
	if err != nil {
		return err
	}
	fault := c.send(ctx, done)
	if fault != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if fault != nil {
		// Whatever it is, nothing is lost: what was not committed comes again, or is
		// covered by the next commit.
		c.log.Warn("kafka: offsets were not committed; what they cover may be stored again", "error", fault)
	} else {
		c.mu.Lock()
		for number, at := range done {
			if p := c.partitions[number]; p != nil && p.committed.offset < at.offset {
				p.committed = at
			}
		}
		c.mu.Unlock()
	}
	c.interrupt()
	return nil
}

// stored takes the first n records off what is uncommitted and returns how far their
// partitions are stored.
func (c *Consumer) stored(n int) (map[int32]position, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := map[int32]position{}
	for n > 0 && len(c.spans) > 0 {
		s := c.spans[0]
		if s.records > n {
			return nil, fmt.Errorf("kafka: commit %d records: what is fetched together is committed together", n)
		}
		if c.partitions[s.partition] == s.of {
			done[s.partition] = s.to
		}
		n -= s.records
		c.spans = c.spans[1:]
	}
	if n > 0 {
		return nil, fmt.Errorf("kafka: commit %d records more than were fetched", n)
	}
	return done, nil
}

func (c *Consumer) send(ctx context.Context, done map[int32]position) error {
	if len(done) == 0 {
		return nil
	}
	offsets := map[int32]kgo.EpochOffset{}
	for number, at := range done {
		offsets[number] = kgo.EpochOffset{Epoch: -1, Offset: at.offset}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				p := &req.Topics[i].Partitions[j]
				text := formatVersion(done[p.Partition].version)
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
	return fault
}

// Wanted reports that the group waits for a Commit or a Release.
func (c *Consumer) Wanted() bool { return c.wanted.Load() }

// Release gives back what was fetched and not committed: it comes again, here or at
// another consumer.
func (c *Consumer) Release() {
	c.mu.Lock()
	back := map[int32]kgo.EpochOffset{}
	for _, s := range c.spans {
		if _, seen := back[s.partition]; !seen && c.partitions[s.partition] == s.of {
			s.of.fetched = s.from
			back[s.partition] = kgo.EpochOffset{Epoch: -1, Offset: s.from.offset}
		}
	}
	c.spans = nil
	c.mu.Unlock()
	if len(back) > 0 {
		// The group waits for the rebalance that the fetched records hold up, so no
		// partition goes away meanwhile.
		c.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{c.topic: back})
	}
	c.client.AllowRebalance()
}

// Holds asks the brokers whether the partitions of what is not committed are still
// this consumer's. It costs nothing while nobody wants them.
func (c *Consumer) Holds(ctx context.Context) bool {
	if !c.wanted.Load() {
		return true
	}
	member, generation := c.client.GroupMetadata()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = c.group, member, generation
	res, err := req.RequestWith(ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(res.ErrorCode)
	}
	return err == nil || errors.Is(err, kerr.RebalanceInProgress)
}
