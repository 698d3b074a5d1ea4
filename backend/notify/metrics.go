package notify

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/plugins/host"
)

// What became of an attempt to deliver a message.
const (
	outcomeDelivered = "delivered"
	outcomeFailed    = string(host.Failed)
	outcomeDown      = string(host.Down)    // the plugin is
	outcomeRefused   = string(host.Refused) // by a plugin, or a receiver, that says that it cannot
	outcomeExpired   = "expired"            // it is given up
)

type metrics struct {
	outcomes *prometheus.CounterVec // notifier, outcome
	waiting  *prometheus.GaugeVec   // notifier
}

func newMetrics(all Notifiers, to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_notifications_total", Help: "Attempts to deliver messages by what became of them: delivered, failed, down, refused; and expired, which are given up.",
		}, []string{"notifier", "outcome"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowgauge_notifications_waiting", Help: "Messages that are not delivered yet.",
		}, []string{"notifier"}),
	}
	for _, n := range all {
		m.waiting.WithLabelValues(n.Name)
		for _, outcome := range []string{outcomeDelivered, outcomeFailed, outcomeDown, outcomeRefused, outcomeExpired} {
			m.outcomes.WithLabelValues(n.Name, outcome)
		}
	}
	if to == nil {
		return m, nil
	}
	return m, errors.Join(to.Register(m.outcomes), to.Register(m.waiting))
}
