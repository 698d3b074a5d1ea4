package app

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/queue/kafka"
)

// kafkaMetrics exposes the state of a topic's ends when somebody asks.
type kafkaMetrics struct{ log *kafka.Log }

var (
	kafkaBuffered   = prometheus.NewDesc("flowgauge_kafka_buffered_bytes", "Bytes of events that wait for the brokers and are not acknowledged to their senders.", nil, nil)
	kafkaPartitions = prometheus.NewDesc("flowgauge_kafka_partitions", "Partitions that this process stores.", nil, nil)
	kafkaPending    = prometheus.NewDesc("flowgauge_kafka_pending_records", "Accepted records of a partition that are not stored in ClickHouse yet, as far as this process knows.", []string{"partition"}, nil)
	kafkaLag        = prometheus.NewDesc("flowgauge_kafka_lag_seconds", "Age of the last record of a partition that was stored, while there are newer ones.", []string{"partition"}, nil)
	kafkaLosses     = prometheus.NewDesc("flowgauge_kafka_losses_total", "Times that the brokers said they had lost accepted records.", nil, nil)
)

func (m kafkaMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{kafkaBuffered, kafkaPartitions, kafkaPending, kafkaLag, kafkaLosses} {
		out <- d
	}
}

func (m kafkaMetrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(kafkaBuffered, float64(m.log.Buffered()))
	c := m.log.Consumer()
	if c == nil {
		return
	}
	s := c.Stats()
	gauge(kafkaPartitions, float64(len(s.Partitions)))
	for _, p := range s.Partitions {
		partition := strconv.Itoa(int(p.Partition))
		gauge(kafkaPending, float64(p.Pending), partition)
		gauge(kafkaLag, p.Lag.Seconds(), partition)
	}
	out <- prometheus.MustNewConstMetric(kafkaLosses, prometheus.CounterValue, float64(s.Losses))
}
