package servertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A KafkaBroker is a Kafka of one node: broker and controller in one process.
type KafkaBroker struct{ *server }

var sharedKafka struct {
	once   sync.Once
	broker *KafkaBroker
	err    error
}

// Kafka returns the broker that the tests of this process share; it ends with
// the process. Tests take topics of their own, see Topic.
func Kafka(t testing.TB) *KafkaBroker {
	t.Helper()
	needs(t, "Kafka", "java")
	jars := classPath(t, "kafka")
	sharedKafka.once.Do(func() {
		s, err := newServer("kafka", 2, prepareKafka(jars))
		sharedKafka.broker, sharedKafka.err = &KafkaBroker{s}, err
	})
	if sharedKafka.err != nil {
		t.Fatal(sharedKafka.err)
	}
	return sharedKafka.broker
}

// NewKafka starts a broker for this test alone.
func NewKafka(t testing.TB) *KafkaBroker {
	t.Helper()
	needs(t, "Kafka", "java")
	return &KafkaBroker{private(t, "kafka", 2, prepareKafka(classPath(t, "kafka")))}
}

// Topic creates a topic with a name that no other test has, and returns it.
// configs may be nil; keys are those of Kafka's topic configuration.
func (b *KafkaBroker) Topic(t testing.TB, partitions int, configs map[string]string) string {
	t.Helper()
	name := fmt.Sprintf("topic-%d-%d", os.Getpid(), topics.Add(1))
	values := make(map[string]*string, len(configs))
	for key, value := range configs {
		values[key] = &value
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	err := withAdmin(b.Addr(), func(admin *kadm.Client) error {
		_, err := admin.CreateTopic(ctx, int32(partitions), 1, values, name)
		return err
	})
	if err != nil {
		t.Fatalf("create topic %s: %v", name, err)
	}
	return name
}

var topics atomic.Int64

func withAdmin(address string, do func(*kadm.Client) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DialTimeout(time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	return do(kadm.NewClient(client))
}

// prepareKafka writes the configuration and formats the log directory.
func prepareKafka(jars string) func(*server) error {
	return func(s *server) error {
		config := filepath.Join(s.dir, "server.properties")
		if err := os.WriteFile(config, kafkaConfig(s), 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
		format := java(jars, 512, "kafka.tools.StorageTool", "format", "--cluster-id", "Zmxvd2dhdWdlLXRlc3RzMQ", "--config", config)
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		if output, err := exec.CommandContext(ctx, format[0], format[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("format Kafka's storage: %w: %s", err, bytes.TrimSpace(output))
		}
		s.command = func(*server) []string { return java(jars, 512, "kafka.Kafka", config) }
		s.ready = func(ctx context.Context) error { return kafkaReady(ctx, s.Addr()) }
		return nil
	}
}

// kafkaReady asks for more than an open port: a broker that is still fenced
// answers, and refuses to lead partitions.
func kafkaReady(ctx context.Context, address string) error {
	if err := dial(ctx, address); err != nil {
		return err // Cheaper than a client while nobody listens.
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return withAdmin(address, func(admin *kadm.Client) error {
		brokers, err := admin.ListBrokers(ctx)
		if err != nil {
			return err
		}
		if len(brokers) == 0 {
			return errors.New("the broker has not joined its cluster")
		}
		return nil
	})
}

func kafkaConfig(s *server) []byte {
	listener, controller := s.Addr(), loopback(s.ports[1])
	return []byte(strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + controller,
		"listeners=PLAINTEXT://" + listener + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + listener,
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(s.dir, "data"),
		"num.partitions=1",
		// One node holds everything once, and joins groups without waiting for others.
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=4",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		"",
	}, "\n"))
}

// java is a command line for a short-lived server: the second compiler costs
// more time than it gives back.
func java(classPath string, heapMB int, args ...string) []string {
	return append([]string{
		"java", "-Xmx" + strconv.Itoa(heapMB) + "m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classPath,
	}, args...)
}
