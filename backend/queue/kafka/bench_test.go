package kafka_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue/kafka"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

// BenchmarkAppend measures requests of 1,000 events, four at a time, until the
// broker has acknowledged them. One operation is one event.
func BenchmarkAppend(b *testing.B) {
	broker := servertest.Kafka(b)
	opts := kafka.Options{Brokers: []string{broker.Addr()}, Topic: fmt.Sprint("bench-", time.Now().UnixNano()), Partitions: 12, Replication: 1, Timeout: time.Minute}
	require.NoError(b, kafka.Prepare(b.Context(), opts))
	p, err := kafka.NewProducer(opts)
	require.NoError(b, err)
	defer p.Close()
	bodies := make(chan [][]byte)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for body := range bodies {
				if err := p.Append(b.Context(), body); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	began, sent := time.Now(), 0
	for ; sent < b.N; sent += 1000 {
		body := make([][]byte, 1000)
		for i := range body {
			body[i] = record(fmt.Sprint("execution-", sent+i), sent)
		}
		bodies <- body
	}
	close(bodies)
	group.Wait()
	b.ReportMetric(float64(sent)/time.Since(began).Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}
