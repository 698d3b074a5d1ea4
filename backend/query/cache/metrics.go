package cache

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// The outcomes of a question that may be cached.
const (
	hit     = "hit"
	partial = "partial" // some pieces were kept
	miss    = "miss"
)

type metrics struct {
	outcomes *prometheus.CounterVec
	bypassed *prometheus.CounterVec
	errors   *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer, m *memory) (*metrics, error) {
	out := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_cache_questions_total", Help: "Questions that may be cached, by where the answer came from; who waits for another's answer counts as that one.",
		}, []string{"outcome"}),
		bypassed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_cache_bypassed_total", Help: "Questions that were asked past the cache, by reason.",
		}, []string{"reason"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_cache_errors_total", Help: "Kept answers that could not be read or written, by reason. The questions were answered all the same.",
		}, []string{"reason"}),
	}
	for _, o := range []string{hit, partial, miss} {
		out.outcomes.WithLabelValues(o)
	}
	if registerer == nil {
		return out, nil
	}
	for _, c := range []prometheus.Collector{
		out.outcomes, out.bypassed, out.errors,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "flowgauge_cache_memory_bytes", Help: "About how many bytes the answers take that are kept in this process.",
		}, func() float64 { bytes, _ := m.used(); return float64(bytes) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "flowgauge_cache_memory_answers", Help: "Answers and pieces of answers that are kept in this process.",
		}, func() float64 { _, entries := m.used(); return float64(entries) }),
	} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("cache: register metrics: %w", err)
		}
	}
	return out, nil
}

func (m *metrics) answered(outcome string) { m.outcomes.WithLabelValues(outcome).Inc() }
