package servertest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

func produce(t *testing.T, b *KafkaBroker, topic string, values ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic(topic))
	require.NoError(t, err)
	defer client.Close()
	for _, value := range values {
		require.NoError(t, client.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr())
	}
}

// consume reads on as a group until it has n records, and commits them.
func consume(t *testing.T, b *KafkaBroker, topic string, n int) []string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics(topic), kgo.ConsumerGroup("readers-of-"+topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) { values = append(values, string(record.Value)) })
	}
	require.NoError(t, client.CommitUncommittedOffsets(ctx))
	return values
}

func TestKafkaKeepsRecordsAndOffsets(t *testing.T) {
	t.Parallel()
	broker := NewKafka(t)
	topic := broker.Topic(t, 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	produce(t, broker, topic, "a", "b")
	require.Equal(t, []string{"a", "b"}, consume(t, broker, topic, 2))

	address := broker.Addr()
	broker.Restart(t)
	require.Equal(t, address, broker.Addr())
	produce(t, broker, topic, "c")
	require.Equal(t, []string{"c"}, consume(t, broker, topic, 1))

	broker.Kill(t)
	broker.Start(t)
	produce(t, broker, topic, "d")
	require.Equal(t, []string{"d"}, consume(t, broker, topic, 1))
}

func TestSharedKafka(t *testing.T) {
	t.Parallel()
	broker := Kafka(t)
	require.Same(t, broker, Kafka(t))
	one, two := broker.Topic(t, 1, nil), broker.Topic(t, 2, nil)
	require.NotEqual(t, one, two)
	produce(t, broker, one, "x")
	t.Run("a test that leaves it stopped", func(t *testing.T) { Kafka(t).Stop(t) })
	produce(t, broker, two, "y")
	require.Equal(t, []string{"x"}, consume(t, broker, one, 1))
	require.Equal(t, []string{"y"}, consume(t, broker, two, 1))
}

func TestZooKeeper(t *testing.T) {
	server := ZooKeeper(t)
	answer, err := exchange(t.Context(), server.Addr(), "srvr")
	require.NoError(t, err)
	require.Contains(t, answer, "Mode: standalone")
	server.Restart(t)
	require.NoError(t, server.ready(t.Context()))
}

func TestRedis(t *testing.T) {
	server := Redis(t)
	answer, err := exchange(t.Context(), server.Addr(), "SET key value\r\n")
	require.NoError(t, err)
	require.Equal(t, "+OK\r\n", answer)
	server.Kill(t)
	_, err = exchange(t.Context(), server.Addr(), "PING\r\n")
	require.Error(t, err)
	server.Start(t)
	answer, err = exchange(t.Context(), server.Addr(), "GET key\r\n")
	require.NoError(t, err)
	require.Equal(t, "$5\r\nvalue\r\n", answer)
}

func TestServerThatEndsAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := &server{
		name: "broken", dir: dir,
		command: func(*server) []string { return []string{"sh", "-c", "echo no such luck; exit 3"} },
		ready:   func(context.Context) error { return os.ErrDeadlineExceeded },
	}
	require.ErrorContains(t, s.start(), "no such luck")
	require.False(t, s.running())
}

// The servers of a test process that is killed go with it, and so do their folders.
func TestServerEndsWithItsTest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "server")
	require.NoError(t, os.Mkdir(dir, 0o700))
	s := &server{
		name: "orphan", dir: dir,
		command: func(*server) []string { return []string{"sleep", "1000"} },
		ready:   func(context.Context) error { return nil },
	}
	require.NoError(t, s.start())
	require.NoError(t, s.pipe.Close()) // As the system does.
	<-s.exited
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, startTimeout, pollEvery)
}

func TestJarIsChecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jar")
	require.NoError(t, os.WriteFile(path, []byte("hello"), 0o600))
	require.NoError(t, verify(path, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"))
	require.ErrorContains(t, verify(path, "00"), "a.jar")
}
