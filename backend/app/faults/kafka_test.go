package faults_test

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowgauge/flowgauge/backend/servertest"
)

// Collectors share a Kafka topic. They, the broker and ClickHouse are killed at random
// points, and one more collector comes and goes. Each request goes to any collector,
// and is repeated at another, so what is said of one event comes by several ways.
func TestKafka(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	broker := servertest.NewKafka(t)
	p.more = []string{
		"FLOWGAUGE_KAFKA__BROKERS=" + broker.Addr(), "FLOWGAUGE_KAFKA__PARTITIONS=6", "FLOWGAUGE_KAFKA__REPLICATION=1",
		"FLOWGAUGE_KAFKA__TIMEOUT=5s", "FLOWGAUGE_SINK__LINGER=100ms",
	}
	key := p.key()
	all := []*process{p.start("collector"), p.start("collector")}
	for _, c := range all {
		c.ready()
	}
	l := startLoad(t, func() []string { return []string{all[0].url, all[1].url} }, key, 4, between)
	var guest *process
	random := rand.New(rand.NewPCG(*seed, 3))
	for i := range *kills / 3 {
		time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
		switch c := all[random.IntN(2)]; random.IntN(8) {
		case 0, 1, 2:
			c.kill()
			c.run()
		case 3:
			c.stop()
			c.run()
		case 4:
			p.killDatabase()
		case 5:
			broker.Kill(t)
			broker.Start(t)
		case 6:
			p.killDatabase()
			c.kill()
			c.run()
		case 7:
			if guest == nil {
				guest = p.start("collector")
			} else {
				guest.kill()
				guest = nil
			}
		}
		if (i+1)%10 == 0 {
			t.Logf("%d faults, %d requests acknowledged", i+1, l.acks.Load())
		}
	}
	l.stop()
	for _, c := range all {
		c.ready()
	}
	p.check(l, func() bool { return committed(t, broker) })
}

// committed says whether the sinks have committed all that is in the topic.
func committed(t *testing.T, broker *servertest.KafkaBroker) bool {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()))
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	lags, err := kadm.NewClient(client).Lag(ctx, "flowgauge-sink")
	group := lags["flowgauge-sink"]
	if err != nil || group.Error() != nil {
		return false
	}
	partitions := 0
	for _, lag := range group.Lag.Sorted() {
		if lag.Lag != 0 {
			return false
		}
		partitions++
	}
	return partitions == 6
}

// stop ends it in an orderly way.
func (pr *process) stop() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	_ = pr.cmd.Process.Signal(syscall.SIGTERM)
	<-pr.done
}
