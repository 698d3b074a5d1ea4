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
//
// A record is one event: the client packs those of a partition into batches by
// itself, and its cost for each is less than that of encoding the event.
type Producer struct {
	opts Options

	mu     sync.Mutex
	client *kgo.Client // nil once closed
}

var _ queue.Appender = (*Producer)(nil)

// NewProducer returns a producer; it connects when it is first used.
func NewProducer(opts Options) (*Producer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	p := &Producer{opts: opts}
	var err error
	p.client, err = p.connect()
	return p, err
}

func (p *Producer) connect() (*kgo.Client, error) {
	client, err := kgo.NewClient(p.opts.connection(
		kgo.DefaultProduceTopic(p.opts.Topic),
		// What the client does by itself, said because figures depend on it: a record
		// is acknowledged by all replicas in sync, and a repeated request is not
		// appended twice.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(maxBatch),
		kgo.MaxBufferedRecords(1<<30), // bytes bound it
		kgo.MaxBufferedBytes(maxBuffered),
		kgo.ProducerLinger(2*time.Millisecond),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return client, nil
}

// appending is one Append: records that are settled one by one.
type appending struct {
	left atomic.Int64
	done chan struct{}

	mu  sync.Mutex
	err error // of the first that failed
}

func (a *appending) settle(_ *kgo.Record, err error) {
	if err != nil {
		a.mu.Lock()
		if a.err == nil {
			a.err = err
		}
		a.mu.Unlock()
	}
	if a.left.Add(-1) == 0 {
		close(a.done)
	}
}

// Append returns nil when the brokers have acknowledged every record. Unlike the
// write-ahead log it may, when it fails, have put some of them into the log.
//
// It returns no sooner than it is known what became of every record, or the client
// that has them is given up: a record that was refused to its sender and delivered
// minutes later would be taken for newer than what was sent of its event meanwhile.
func (p *Producer) Append(ctx context.Context, records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("kafka: append: %w", err)
	}
	p.mu.Lock()
	client := p.client
	p.mu.Unlock()
	if client == nil {
		return queue.ErrClosed
	}
	a := &appending{done: make(chan struct{})}
	a.left.Store(int64(len(records)))
	// The client keeps what it is given until it is acknowledged: one copy of all, with
	// each key before its value.
	size := 0
	for _, r := range records {
		size += 2*len(r) + 16
	}
	buf := make([]byte, 0, size)
	out := make([]kgo.Record, len(records))
	for i, r := range records {
		from := len(buf)
		var keyed bool
		if buf, keyed = event.AppendKey(buf, r); keyed {
			out[i].Key = buf[from:len(buf):len(buf)]
		}
		from = len(buf)
		buf = append(buf, r...)
		out[i].Value = buf[from:len(buf):len(buf)]
		client.TryProduce(context.Background(), &out[i], a.settle)
	}
	timer := time.NewTimer(p.opts.Timeout)
	defer timer.Stop()
	select {
	case <-a.done:
	case <-timer.C:
		p.replace(client)
		<-a.done
		if a.err != nil {
			return fmt.Errorf("kafka: the brokers did not acknowledge %d records within %s: %w", len(records), p.opts.Timeout, a.err)
		}
	}
	switch {
	case a.err == nil:
		return nil
	case errors.Is(a.err, kgo.ErrMaxBuffered):
		return fmt.Errorf("%w: %d bytes wait for the brokers", queue.ErrFull, client.BufferedProduceBytes())
	case errors.Is(a.err, kerr.MessageTooLarge):
		return fmt.Errorf("kafka: a record is larger than the brokers take: raise max.message.bytes of topic %s to %d: %w", p.opts.Topic, maxBatch, a.err)
	}
	return fmt.Errorf("kafka: produce: %w", a.err)
}

// replace gives a client up with all that it has not delivered, so that none of it is
// delivered later.
func (p *Producer) replace(client *kgo.Client) {
	p.mu.Lock()
	current := p.client == client
	if current {
		next, err := p.connect()
		if err != nil { // it was made with the same options before
			p.opts.Logger.Error("kafka: connect again", "error", err)
			next = nil
		}
		p.client = next
	}
	p.mu.Unlock()
	client.Close()
}

// Buffered is how many bytes wait for the brokers.
func (p *Producer) Buffered() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		return 0
	}
	return p.client.BufferedProduceBytes()
}

// Close waits for what was handed over, for a moment, and disconnects.
func (p *Producer) Close() {
	p.mu.Lock()
	client := p.client
	p.client = nil
	p.mu.Unlock()
	if client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = client.Flush(ctx)
	client.Close()
}
