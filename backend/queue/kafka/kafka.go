// Package kafka is the durable log as a topic of Apache Kafka: queue.Appender and
// queue.Consumer for an installation of several collectors.
//
//	collector ─┐                    partition 0 ─> sink ─┐
//	collector ─┼─ key (tenant, id) ─> partition 1 ─> sink ─┼─> ClickHouse
//	collector ─┘   acks=all         partition 2 ─> …     ┘   then the offset
//
// # Order
//
// The key decides the partition, so everything that is ever said of one event is in
// one partition, in the order in which the brokers took it. A record's version,
// which decides what stands, is
//
//	max(version of the record before it in its partition + 1, the broker's append time in µs)
//
// The clocks of collectors do not matter. The version of the last record before the
// committed offset is kept in the commit's metadata, so whoever reads a partition on
// gives its records the very versions that they had, and a broker's clock that goes
// back puts no record before an older one. Versions are unique in a partition only.
//
// Adding partitions sends later events of a key elsewhere: from then on the append
// time alone orders them against earlier ones.
//
// When the group's offsets are gone, because no sink ran for longer than the brokers
// keep them, reading begins at the start of the topic with the append times alone.
// Storing all of it again changes nothing then either, unless a broker's clock went
// back meanwhile.
//
// # Batches and rebalances
//
// A sink fetches a batch, stores it for as long as that takes, and commits. Until then
// the client lets the group take no partition away (BlockRebalanceOnPoll), so two
// sinks do not work on the same records while both are well. The brokers are patient
// for Options.Patience; Wanted says that they wait, upon which a sink that cannot store
// releases its batch. A sink that was thought dead and is not stores records that
// another one stores too: with the same versions, so that the rows are the same.
//
// # Faults
//
//   - A collector dies: what was produced and not answered may come out later.
//   - The brokers are away: Append returns an error after Options.Timeout, and the
//     collector answers 503. What it had handed over is dropped, because its sender
//     may send something newer by way of another collector. What waits is bounded:
//     beyond it Append returns queue.ErrFull at once.
//   - A sink dies between insert and commit, or loses its partitions while ClickHouse
//     is away: the records come again, to it or to another, with the same versions, so
//     that storing them again changes nothing.
//   - A partition loses records, because all its replicas did or because they were
//     older than its retention: logged as an error and counted, and reading goes on.
package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// The defaults of Options.
const (
	DefaultTopic       = "flowgauge-events"
	DefaultGroup       = "flowgauge-sink"
	DefaultPartitions  = 12
	DefaultReplication = 3
	DefaultTimeout     = 15 * time.Second
	DefaultPatience    = 2 * time.Minute
)

// Options say which topic, and how to reach it.
type Options struct {
	Brokers     []string // HOST:PORT of some of them
	Topic       string
	Group       string        // of the sinks
	Partitions  int32         // of a topic that is created
	Replication int16         // of a topic that is created
	Timeout     time.Duration // until an Append that is not acknowledged fails
	Patience    time.Duration // until the brokers give a sink's partitions to others although it has not committed
	TLS         *tls.Config   // nil is plain text
	SASL        sasl.Mechanism
	Logger      *slog.Logger
}

// Validate fills in the defaults and says what is wrong.
func (o *Options) Validate() error {
	if len(o.Brokers) == 0 {
		return errors.New("kafka: no brokers: name at least one as HOST:PORT")
	}
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	if o.Group == "" {
		o.Group = DefaultGroup
	}
	if o.Partitions == 0 {
		o.Partitions = DefaultPartitions
	}
	if o.Replication == 0 {
		o.Replication = DefaultReplication
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.Partitions < 1 || o.Replication < 1 || o.Timeout < 0 || o.Patience < 0 {
		return fmt.Errorf("kafka: %d partitions, %d replicas and a timeout of %s: each must be above 0", o.Partitions, o.Replication, o.Timeout)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// connection are the options that every client needs.
func (o *Options) connection(more ...kgo.Opt) []kgo.Opt {
	opts := append([]kgo.Opt{
		kgo.SeedBrokers(o.Brokers...),
		kgo.ClientID("flowgauge"),
		kgo.WithLogger(logger{o.Logger}),
	}, more...)
	if o.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(o.TLS))
	}
	if o.SASL != nil {
		opts = append(opts, kgo.SASL(o.SASL))
	}
	return opts
}
