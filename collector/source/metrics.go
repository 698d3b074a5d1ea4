package source

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of all sources of a process that are asked for events.
type Metrics struct {
	pulls   *prometheus.CounterVec
	success *prometheus.GaugeVec
}

// NewMetrics registers them.
func NewMetrics(to prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		pulls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_source_pulls_total",
			Help: "How often a source was asked for events, by what became of it: ok, rejected (some of its events are dead letters), down, refused, failed, or held (its events could not be made durable and are asked for again).",
		}, []string{"plugin", "outcome"}),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowgauge_source_last_success_timestamp_seconds", Help: "When a source last gave what it was asked for, and that was durable, as Unix time.",
		}, []string{"plugin"}),
	}
	if err := errors.Join(to.Register(m.pulls), to.Register(m.success)); err != nil {
		return nil, fmt.Errorf("register metric: %w", err)
	}
	return m, nil
}
