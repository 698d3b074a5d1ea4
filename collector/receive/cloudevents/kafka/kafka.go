// Package kafka reads CloudEvents from a topic, by the Kafka protocol binding.
//
//	poll ──> decode ──> append to the log ──> commit the offsets
//	  ▲                    │ full: wait
//	  └────────────────────┘
//
// Offsets are committed after the log says that the events are durable. Whatever ends
// the process between the two, the records come again, here or at another collector of
// the group, and their events count once: their ids and times are their own.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/cloudevents"
)

// Defaults.
const (
	DefaultGroup = "flowgauge"
	maxRecords   = 10_000           // of one poll
	maxBytes     = 16 << 20         // of one fetch
	again        = time.Second      // between two attempts to append
	leaveTimeout = 10 * time.Second // for a last commit
)

// Config is what a Reader needs.
type Config struct {
	config.CloudKafka
	Decoder    *cloudevents.Decoder
	Queue      receive.Appender
	Logger     *slog.Logger          // none if nil
	Registerer prometheus.Registerer // none if nil
}

// Validate fills in the defaults and says what is missing.
func (c *Config) Validate() error {
	if c.Group == "" {
		c.Group = DefaultGroup
	}
	c.Brokers = strings.FieldsFunc(strings.Join(c.Brokers, ","), func(r rune) bool { return r == ',' || r == ' ' }) // one text, from the environment
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Decoder == nil || c.Queue == nil:
		return errors.New("kafka: needs a decoder and a queue")
	case len(c.Brokers) == 0:
		return errors.New("sources.cloudevents.kafka.brokers is empty: name at least one as HOST:PORT")
	case c.Topic == "":
		return errors.New("sources.cloudevents.kafka.topic is empty: which topic is to be read?")
	case c.Tenant == "":
		return errors.New("sources.cloudevents.kafka.tenant is empty: whose events are they?")
	}
	return nil
}

// Reader reads a topic.
type Reader struct {
	config  Config
	client  *kgo.Client
	records *prometheus.CounterVec
}

// New returns a Reader. It connects when it runs.
func New(c Config) (*Reader, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &Reader{config: c, records: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "flowgauge_cloudevents_kafka_records_total",
		Help: "Records read from the topic whose outcome is durable: events and fragments that were accepted, rejected ones, ignored ones. Those that come again are counted again.",
	}, []string{"outcome"})}
	if c.Registerer != nil {
		if err := c.Registerer.Register(r.records); err != nil {
			return nil, fmt.Errorf("register metric: %w", err)
		}
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...), kgo.ClientID("flowgauge"),
		kgo.ConsumerGroup(c.Group), kgo.ConsumeTopics(c.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // what was there before the group
		kgo.DisableAutoCommit(),
		// Partitions are given up between two polls, so not before their records'
		// offsets are committed.
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxBytes(maxBytes),
	}
	if c.TLS {
		opts = append(opts, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	var err error
	if r.client, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("sources.cloudevents.kafka: %w", err)
	}
	return r, nil
}

// Close gives up the connections, also of a Reader that has not run.
func (r *Reader) Close() { r.client.CloseAllowingRebalance() }

// Run reads until ctx ends. Brokers that are away are waited for.
func (r *Reader) Run(ctx context.Context) error {
	defer r.Close()
	for ctx.Err() == nil {
		fetches := r.client.PollRecords(ctx, maxRecords)
		fetches.EachError(func(topic string, partition int32, err error) {
			if ctx.Err() == nil {
				r.config.Logger.Warn("a topic with CloudEvents cannot be read; it is tried again", "topic", topic, "partition", partition, "error", err)
			}
		})
		if records := fetches.Records(); len(records) > 0 {
			r.take(ctx, records)
		}
		r.client.AllowRebalance()
	}
	return nil
}

// take makes records durable, then commits them. If ctx ends before they are durable
// they come again.
func (r *Reader) take(ctx context.Context, records []*kgo.Record) {
	b := r.decode(records)
	for first := true; len(b.records) > 0; first = false {
		err := r.config.Queue.Append(ctx, b.records)
		if err == nil {
			break
		}
		if first {
			r.config.Logger.Warn("CloudEvents of a topic wait for the log", "topic", r.config.Topic, "events", len(b.records), "full", errors.Is(err, queue.ErrFull), "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
	}
	for outcome, n := range b.outcomes {
		r.records.WithLabelValues(outcome).Add(float64(n))
	}
	// Durable records are committed also when ctx has ended meanwhile.
	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := r.client.CommitRecords(commit, records...); err != nil {
		r.config.Logger.Warn("offsets of a topic with CloudEvents could not be committed; the records come again", "topic", r.config.Topic, "error", err)
	}
}
