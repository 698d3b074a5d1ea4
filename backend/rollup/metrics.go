package rollup

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	pending  *prometheus.GaugeVec
	minutes  *prometheus.CounterVec
	duration *prometheus.HistogramVec
	failures prometheus.Counter
	settled  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (metrics, error) {
	m := metrics{
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowgauge_rollup_pending_minutes",
			Help: "Minutes that changed and are not rolled up yet, by kind of event.",
		}, []string{"kind"}),
		minutes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_rollup_recomputed_minutes_total",
			Help: "Minutes that were recomputed, by kind of event.",
		}, []string{"kind"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "flowgauge_rollup_recompute_seconds",
			Help:    "Time to recompute all levels of one day's changed buckets.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}, []string{"kind"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flowgauge_rollup_failures_total",
			Help: "Recomputations that failed and were repeated.",
		}),
		settled: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "flowgauge_rollup_settled_timestamp_seconds",
			Help: "When all changes known by then had been rolled up.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.pending, m.minutes, m.duration, m.failures, m.settled} {
		if err := reg.Register(c); err != nil {
			return metrics{}, err
		}
	}
	return m, nil
}
