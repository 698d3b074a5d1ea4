package enrich

import "github.com/prometheus/client_golang/prometheus"

// What a plugin has done with events, or its policy in its place.
const (
	outcomeChanged = "changed" // or priced
	outcomeDropped = "dropped"
	outcomeAdded   = "added"
	outcomeSkipped = "skipped"     // stored as they were, because it could not be asked
	outcomeLetter  = "dead_letter" // kept, because it could not be asked
)

var outcomes = []string{outcomeChanged, outcomeDropped, outcomeAdded, outcomeSkipped, outcomeLetter}

// counters are those of one plugin.
type counters map[string]prometheus.Counter

func newEvents() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "flowgauge_plugin_events_total",
		Help: "Events by what a plugin has done with them: changed, dropped, added; or what its policy has, where it could not be asked: skipped, dead_letter.",
	}, []string{"plugin", "outcome"})
}

func countersOf(events *prometheus.CounterVec, plugin string) counters {
	of := counters{}
	for _, outcome := range outcomes {
		of[outcome] = events.WithLabelValues(plugin, outcome)
	}
	return of
}

// Collector has the chain's metrics.
func (c *Chain) Collector() prometheus.Collector { return c.events }
