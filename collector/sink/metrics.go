package sink

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	events   prometheus.Counter
	failures prometheus.Counter
	refused  prometheus.Counter
	duration prometheus.Histogram
	received *received
}

func newMetrics(reg prometheus.Registerer) (metrics, error) {
	m := metrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_sink_stored_records_total",
			Help: "Records of the log that were stored in ClickHouse, refused events included.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_sink_failures_total",
			Help: "Attempts to store a batch that failed and were repeated.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_sink_refused_events_total",
			Help: "Accepted events that ClickHouse refused and that were kept as dead letters with the code store_failed.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "flowgauge_sink_store_seconds",
			Help:    "Time to store one batch.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}),
	}
	var err error
	if m.received, err = newReceived(reg); err != nil || reg == nil {
		return m, err
	}
	for _, c := range []prometheus.Collector{m.events, m.failures, m.refused, m.duration} {
		if err := reg.Register(c); err != nil {
			return metrics{}, err
		}
	}
	return m, nil
}
