package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// maxBuffered is how much waits for the brokers before a request is refused.
const maxBuffered = 256 << 20

// maxBatch is the size of a batch, below the brokers' default of message.max.bytes.
const maxBatch = 1_000_000

// Producer puts events into the topic. It is safe for concurrent use.
type Producer struct {
	client  *kgo.Client
	timeout time.Duration
	closed  atomic.Bool
}

var _ queue.Appender = (*Producer)(nil)

// NewProducer returns a producer; it connects when it is first used.
func NewProducer(opts Options) (*Producer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts.connection(
		kgo.DefaultProduceTopic(opts.Topic),
		// What the client does by itself, said because figures depend on it: a record
		// is acknowledged by all replicas in sync, and a repeated request is not
		// appended twice.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(maxBatch),
		kgo.MaxBufferedRecords(1<<30), // bytes bound it
		kgo.MaxBufferedBytes(maxBuffered),
		kgo.ProducerLinger(2*time.Millisecond),
		// Records that were never sent are dropped when nobody waits for them any more.
		kgo.RecordDeliveryTimeout(opts.Timeout),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Producer{client: client, timeout: opts.Timeout}, nil
}

// appending is one Append: records that are acknowledged one by one.
type appending struct {
	left atomic.Int64
	done chan struct{}
	once sync.Once
	err  error
}

func (a *appending) settle(_ *kgo.Record, err error) {
	if err != nil {
		a.once.Do(func() { a.err = err; close(a.done) })
		return
	}
	if a.left.Add(-1) == 0 {
		a.once.Do(func() { close(a.done) })
	}
}

// Append returns nil when the brokers have acknowledged every record. Unlike the
// write-ahead log it may, when it fails, have put some of them into the log.
func (p *Producer) Append(ctx context.Context, records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	if p.closed.Load() {
		return queue.ErrClosed
	}
	a := &appending{done: make(chan struct{})}
	a.left.Store(int64(len(records)))
	// The client keeps what it is given until it is acknowledged, which may be after
	// this returns: one copy of all, keys beside their values.
	size := 0
	for _, r := range records {
		size += 2*len(r) + 16
	}
	buf := make([]byte, 0, size)
	out := make([]kgo.Record, len(records))
	for i, r := range records {
		from := len(buf)
		buf = append(buf, r...)
		out[i].Value = buf[from:len(buf):len(buf)]
		from = len(buf)
		var keyed bool
		if buf, keyed = event.AppendKey(buf, r); keyed {
			out[i].Key = buf[from:len(buf):len(buf)]
		}
		// Not the request's context: a record that was handed over is better
		// delivered than left in doubt.
		p.client.TryProduce(context.Background(), &out[i], a.settle)
	}
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	select {
	case <-a.done:
	case <-timer.C:
		return fmt.Errorf("kafka: the brokers did not acknowledge %d records within %s", len(records), p.timeout)
	case <-ctx.Done():
		return fmt.Errorf("kafka: wait for the brokers: %w", ctx.Err())
	}
	switch {
	case a.err == nil:
		return nil
	case errors.Is(a.err, kgo.ErrMaxBuffered):
		return fmt.Errorf("%w: %d bytes wait for the brokers", queue.ErrFull, p.client.BufferedProduceBytes())
	case errors.Is(a.err, kerr.MessageTooLarge):
		return fmt.Errorf("kafka: a record is larger than the brokers take: raise max.message.bytes of the topic to %d: %w", maxBatch, a.err)
	}
	return fmt.Errorf("kafka: produce: %w", a.err)
}

// Buffered is how many bytes wait for the brokers.
func (p *Producer) Buffered() int64 { return p.client.BufferedProduceBytes() }

// Close waits for what was handed over, for a moment, and disconnects.
func (p *Producer) Close() {
	p.closed.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.client.Flush(ctx)
	p.client.Close()
}
