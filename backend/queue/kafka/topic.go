package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// leastRetention is how long a topic has to keep records at least: what has been
// accepted must outlive a ClickHouse that is away over a long weekend.
const leastRetention = 72 * time.Hour

// retention is that of a topic that is created.
const retention = 7 * 24 * time.Hour

// ErrTopic says that somebody has to change the topic, or name another.
var ErrTopic = errors.New("the topic cannot be used")

// Prepare creates the topic when it is absent, and refuses one that would lose
// records or misorder them.
func Prepare(ctx context.Context, opts Options) error {
	if err := opts.Validate(); err != nil {
		return err
	}
	client, err := kgo.NewClient(opts.connection()...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if err := create(ctx, admin, opts); err != nil {
		return err
	}
	return check(ctx, admin, opts.Topic)
}

func create(ctx context.Context, admin *kadm.Client, opts Options) error {
	topics, err := admin.ListTopics(ctx, opts.Topic)
	if err != nil {
		return fmt.Errorf("kafka: look for topic %s: %w", opts.Topic, err)
	}
	if topics.Has(opts.Topic) {
		return nil
	}
	set := func(v string) *string { return &v }
	configs := map[string]*string{
		"message.timestamp.type": set("LogAppendTime"),
		"cleanup.policy":         set("delete"),
		"retention.ms":           set(strconv.FormatInt(retention.Milliseconds(), 10)),
		"retention.bytes":        set("-1"),
	}
	if opts.Replication > 2 {
		configs["min.insync.replicas"] = set(strconv.Itoa(int(opts.Replication) - 1))
	}
	_, err = admin.CreateTopic(ctx, opts.Partitions, opts.Replication, configs, opts.Topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) { // another collector was faster
		return fmt.Errorf("kafka: create topic %s with %d partitions and %d replicas: %w", opts.Topic, opts.Partitions, opts.Replication, err)
	}
	return nil
}

// check refuses a topic that somebody has made in another way.
func check(ctx context.Context, admin *kadm.Client, topic string) error {
	values, err := describe(ctx, admin, topic)
	for range 50 { // a topic that was just created is not known to every broker
		if !errors.Is(err, kerr.UnknownTopicOrPartition) || ctx.Err() != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
		values, err = describe(ctx, admin, topic)
	}
	if err != nil {
		return fmt.Errorf("kafka: read the configuration of topic %s: %w", topic, err)
	}
	var errs []error
	refuse := func(key, allowed, why string) {
		errs = append(errs, fmt.Errorf("kafka: topic %s has %s=%s, it has to be %s: %s; change it with kafka-configs --alter --entity-type topics --entity-name %s --add-config %s=…, or set kafka.topic to a topic that is not there yet", topic, key, values[key], allowed, why, topic, key))
	}
	if values["message.timestamp.type"] != "LogAppendTime" {
		refuse("message.timestamp.type", "LogAppendTime", "the order of events must not depend on the collectors' clocks")
	}
	if values["cleanup.policy"] != "delete" {
		refuse("cleanup.policy", "delete", "compaction drops events")
	}
	if values["unclean.leader.election.enable"] == "true" {
		refuse("unclean.leader.election.enable", "false", "a replica that lacks acknowledged events could become the leader")
	}
	if values["retention.bytes"] != "-1" {
		refuse("retention.bytes", "-1", "events would be dropped before they are stored when there are many")
	}
	if ms, err := strconv.ParseInt(values["retention.ms"], 10, 64); err != nil || ms != -1 && ms < leastRetention.Milliseconds() {
		refuse("retention.ms", "-1 or at least "+strconv.FormatInt(leastRetention.Milliseconds(), 10), "events would be dropped while ClickHouse is away")
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", ErrTopic, errors.Join(errs...))
	}
	return nil
}

// describe returns the topic's configuration, defaults of the brokers included.
func describe(ctx context.Context, admin *kadm.Client, topic string) (map[string]string, error) {
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	config, err := described.On(topic, nil)
	if err == nil {
		err = config.Err
	}
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, c := range config.Configs {
		values[c.Key] = c.MaybeValue()
	}
	return values, nil
}
