package export

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/plugins/host"
)

// What became of an attempt to deliver a period.
const (
	outcomeDelivered  = "delivered"
	outcomeWaiting    = "waiting"         // for figures that are not old ones
	outcomeUnanswered = "unanswered"      // the question has no answer, or not a whole one
	outcomeDown       = string(host.Down) // the plugin is
	outcomeFailed     = string(host.Failed)
	outcomeRefused    = string(host.Refused) // by a plugin that says that it cannot
	// And to look whether it has changed since.
	outcomeUnchanged = "unchanged"
	outcomeCorrected = "corrected" // delivered again
)

type metrics struct {
	outcomes *prometheus.CounterVec // export, outcome
	until    *prometheus.GaugeVec   // export
}

func newMetrics(all []Export, to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_exports_total", Help: "Attempts to deliver periods of exports by what became of them: delivered, waiting, unanswered, down, failed, refused; asked about again, unchanged, corrected.",
		}, []string{"export", "outcome"}),
		until: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowgauge_export_delivered_until_timestamp_seconds", Help: "End of the last period that was delivered, said by the process that exports.",
		}, []string{"export"}),
	}
	for i := range all {
		for _, outcome := range []string{outcomeDelivered, outcomeWaiting, outcomeUnanswered, outcomeDown, outcomeFailed, outcomeRefused, outcomeUnchanged, outcomeCorrected} {
			m.outcomes.WithLabelValues(all[i].Name, outcome)
		}
	}
	if to == nil {
		return m, nil
	}
	return m, errors.Join(to.Register(m.outcomes), to.Register(m.until))
}
