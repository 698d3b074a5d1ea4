package host

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	up       *prometheus.GaugeVec
	restarts *prometheus.CounterVec
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	left     *prometheus.CounterVec
}

// pluginMetrics are those of one plugin.
type pluginMetrics struct {
	up       prometheus.Gauge
	restarts prometheus.Counter
	calls    *prometheus.CounterVec // extension, outcome
	seconds  prometheus.ObserverVec // extension
	left     prometheus.Counter
}

func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "flowgauge_plugin_up", Help: "1 while the plugin runs and answers.",
		}, []string{"plugin"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_plugin_restarts_total", Help: "How often the plugin was started again because it failed.",
		}, []string{"plugin"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_plugin_calls_total", Help: "Calls of the plugin by what became of them: ok, refused, error, timeout, gone, or down, when it was not asked.",
		}, []string{"plugin", "extension", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flowgauge_plugin_call_seconds", Help: "How long calls took.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}, []string{"plugin", "extension"}),
		left: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_plugin_log_lines_left_out_total", Help: "Lines of the plugin's log that were too many to pass on.",
		}, []string{"plugin"}),
	}
	if to == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.up, m.restarts, m.calls, m.seconds, m.left} {
		errs = append(errs, to.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) of(id string) pluginMetrics {
	is := prometheus.Labels{"plugin": id}
	return pluginMetrics{
		up: m.up.With(is), restarts: m.restarts.With(is), left: m.left.With(is),
		calls: m.calls.MustCurryWith(is), seconds: m.seconds.MustCurryWith(is),
	}
}

// joined names the plugin of each error.
func joined(plugins []*Plugin, errs []error) error {
	var all []error
	for i, err := range errs {
		if err != nil {
			all = append(all, fmt.Errorf("plugin %s: %w", plugins[i].ID(), err))
		}
	}
	return errors.Join(all...)
}
