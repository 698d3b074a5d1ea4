package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// Log is the topic with the ends of it that a process has. It can be made while the
// brokers are away; Open waits for them.
type Log struct {
	opts     Options
	producer *Producer
	consumer *Consumer
	why      atomic.Pointer[string] // it is not open
}

var _ queue.Appender = (*Log)(nil)

// New returns a log that is not open yet.
func New(opts Options, produce, consume bool) (_ *Log, err error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	l := &Log{opts: opts}
	waiting := "waiting for the brokers"
	l.why.Store(&waiting)
	if produce {
		if l.producer, err = NewProducer(opts); err != nil {
			return nil, err
		}
	}
	if consume {
		if l.consumer, err = NewConsumer(opts); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// Open waits for the brokers, and creates and checks the topic. It returns an error
// when the topic is one that would lose or misorder events, or ctx has ended.
func (l *Log) Open(ctx context.Context) error {
	pause := 200 * time.Millisecond
	for {
		err := Prepare(ctx, l.opts)
		if err == nil {
			l.why.Store(nil)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, ErrTopic) {
			return err
		}
		why := err.Error()
		l.why.Store(&why)
		l.opts.Logger.Warn("kafka: the topic cannot be used yet; no events are accepted", "error", err, "retry_in", pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 15*time.Second)
	}
}

// Err says why the log cannot be used yet.
func (l *Log) Err() error {
	if why := l.why.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

// Append returns nil when the brokers have acknowledged every record.
func (l *Log) Append(ctx context.Context, records [][]byte) error {
	if l.producer == nil {
		return errors.New("kafka: this process takes no events in")
	}
	// A topic that was not looked at might lose what it acknowledges.
	if err := l.Err(); err != nil {
		return fmt.Errorf("kafka: the topic cannot be used yet: %w", err)
	}
	return l.producer.Append(ctx, records)
}

// Consumer returns the other end, nil if the process does not have it.
func (l *Log) Consumer() *Consumer { return l.consumer }

// Buffered is how many bytes wait for the brokers.
func (l *Log) Buffered() int64 {
	if l.producer == nil {
		return 0
	}
	return l.producer.Buffered()
}

// Close waits for what was handed over, for a moment, and leaves the group.
func (l *Log) Close() {
	if l.consumer != nil {
		l.consumer.Close()
	}
	if l.producer != nil {
		l.producer.Close()
	}
}
