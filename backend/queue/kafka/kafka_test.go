package kafka_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/kafka"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

// record is a cost whose execution tells deliveries of it apart.
func record(id string, n int) []byte {
	return event.AppendBinary(nil, &event.Event{
		Kind: event.KindCost, Tenant: "acme", ID: id, Time: 1, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		ActionType: "api", ExecutionID: strconv.Itoa(n),
	})
}

func read(t *testing.T, r queue.Record) (id, n string) {
	t.Helper()
	var e event.Event
	require.NoError(t, event.DecodeBinary(r.Data, &e))
	return e.ID, e.ExecutionID
}

func options(t *testing.T, broker *servertest.KafkaBroker, topic string) kafka.Options {
	t.Helper()
	opts := kafka.Options{Brokers: []string{broker.Addr()}, Topic: topic, Group: topic, Partitions: 3, Replication: 1}
	require.NoError(t, kafka.Prepare(t.Context(), opts))
	return opts
}

func producer(t *testing.T, opts kafka.Options) *kafka.Producer {
	t.Helper()
	p, err := kafka.NewProducer(opts)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func consumer(t *testing.T, opts kafka.Options) *kafka.Consumer {
	t.Helper()
	c, err := kafka.NewConsumer(opts)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// fetch takes n records.
func fetch(t *testing.T, c *kafka.Consumer, n int) (out []queue.Record) {
	t.Helper()
	for len(out) < n {
		records, err := c.Fetch(t.Context(), n-len(out))
		require.NoError(t, err)
		out = append(out, records...)
	}
	return out
}

func TestVersionsAreTheSameAgain(t *testing.T) {
	opts := options(t, servertest.Kafka(t), t.Name())
	p := producer(t, opts)
	var batch [][]byte
	for i := range 300 {
		batch = append(batch, record(fmt.Sprint("id", i%40), i))
	}
	require.NoError(t, p.Append(t.Context(), batch[:100]))

	c := consumer(t, opts)
	require.Len(t, fetch(t, c, 60), 60)
	require.NoError(t, c.Commit(t.Context()), "in the middle of what the client fetched")
	require.NoError(t, p.Append(t.Context(), batch[100:]))
	first := fetch(t, c, 240)
	c.Close() // without a commit: as if it had died after the insert

	again := fetch(t, consumer(t, opts), 240)
	versions := func(records []queue.Record) map[string]queue.Version {
		out := map[string]queue.Version{}
		last := map[int32]queue.Version{}
		for _, r := range records {
			id, n := read(t, r)
			out[id+"/"+n] = r.Version
			require.Greater(t, r.Version, last[r.Partition], "they rise in a partition")
			last[r.Partition] = r.Version
		}
		return out
	}
	require.Equal(t, versions(first), versions(again))
}

// All of an id's events are in one partition, in the order in which they were
// acknowledged, whoever sent them.
func TestTheLaterAcknowledgedStands(t *testing.T) {
	opts := options(t, servertest.Kafka(t), t.Name())
	senders := []*kafka.Producer{producer(t, opts), producer(t, opts)}
	var group sync.WaitGroup
	for id := range 20 {
		group.Go(func() {
			for n := range 20 {
				require.NoError(t, senders[(id+n)%2].Append(t.Context(), [][]byte{record(fmt.Sprint("id", id), n)}))
			}
		})
	}
	group.Wait()
	type place struct {
		partition int32
		version   queue.Version
		n         string
	}
	stands := map[string]place{}
	for _, r := range fetch(t, consumer(t, opts), 400) {
		id, n := read(t, r)
		if was, known := stands[id]; known {
			require.Equal(t, was.partition, r.Partition)
			require.Greater(t, r.Version, was.version)
		}
		stands[id] = place{r.Partition, r.Version, n}
	}
	require.Len(t, stands, 20)
	for id, p := range stands {
		require.Equal(t, "19", p.n, id)
	}
}

// The broker is killed and started again under load: what was acknowledged comes out.
func TestBrokerRestart(t *testing.T) {
	t.Parallel()
	broker := servertest.NewKafka(t)
	opts := options(t, broker, "events")
	opts.Timeout = 5 * time.Second
	p := producer(t, opts)
	var (
		mu           sync.Mutex
		acknowledged = map[string]bool{}
		group        sync.WaitGroup
		stop         = make(chan struct{})
	)
	for w := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("w%d-%d", w, i)
				if p.Append(context.Background(), [][]byte{record(id, 0), record(id+"b", 0)}) == nil {
					mu.Lock()
					acknowledged[id], acknowledged[id+"b"] = true, true
					mu.Unlock()
				}
			}
		})
	}
	seen := map[string]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	c := consumer(t, opts)
	go func() {
		defer close(done)
		for {
			records, err := c.Fetch(ctx, 1000)
			if err != nil || ctx.Err() != nil && len(records) == 0 {
				return
			}
			for _, r := range records {
				id, _ := read(t, r)
				mu.Lock()
				seen[id] = true
				mu.Unlock()
			}
			_ = c.Commit(ctx)
		}
	}()
	progress := func() { // requests are acknowledged
		t.Helper()
		mu.Lock()
		before := len(acknowledged)
		mu.Unlock()
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged) > before+200
		}, 2*time.Minute, 10*time.Millisecond)
	}
	progress()
	broker.Kill(t)
	broker.Start(t)
	progress()
	broker.Restart(t)
	progress()
	close(stop)
	group.Wait()
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		for id := range acknowledged {
			if !seen[id] {
				return false
			}
		}
		return true
	}, time.Minute, 50*time.Millisecond, "everything that was acknowledged comes out")
	cancel()
	<-done
	t.Logf("%d records acknowledged, %d seen", len(acknowledged), len(seen))
}

func TestBrokersAreAway(t *testing.T) {
	t.Parallel()
	broker := servertest.NewKafka(t)
	opts := options(t, broker, "events")
	opts.Timeout = time.Second
	p := producer(t, opts)
	sends := func(id string) func() bool {
		return func() bool { return p.Append(t.Context(), [][]byte{record(id, 0)}) == nil }
	}
	require.Eventually(t, sends("a"), time.Minute, 100*time.Millisecond)
	broker.Stop(t)
	require.Error(t, p.Append(t.Context(), [][]byte{record("b", 0)}), "never an acknowledgement")
	broker.Start(t)
	require.Eventually(t, sends("c"), time.Minute, 100*time.Millisecond)
	c := consumer(t, opts)
	for last := ""; last != "c"; {
		for _, r := range fetch(t, c, 1) {
			last, _ = read(t, r)
			require.NotEqual(t, "b", last, "what was refused is not delivered later")
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	broker := servertest.Kafka(t)
	for name, config := range map[string]map[string]string{
		"message.timestamp.type":         {"message.timestamp.type": "CreateTime"},
		"retention.ms":                   {"message.timestamp.type": "LogAppendTime", "retention.ms": "60000"},
		"cleanup.policy":                 {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"},
		"unclean.leader.election.enable": {"message.timestamp.type": "LogAppendTime", "unclean.leader.election.enable": "true"},
		"retention.bytes":                {"message.timestamp.type": "LogAppendTime", "retention.bytes": "1000"},
	} {
		topic := broker.Topic(t, 1, config)
		err := kafka.Prepare(t.Context(), kafka.Options{Brokers: []string{broker.Addr()}, Topic: topic})
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "it has to be")
	}
	require.ErrorContains(t, kafka.Prepare(t.Context(), kafka.Options{}), "no brokers")
}
