package receive

import (
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/event"
)

// outcome is what became of an event.
type outcome int

const (
	accepted outcome = iota
	duplicate
	rejected
	outcomes
)

var outcomeNames = [outcomes]string{"accepted", "duplicate", "rejected"}

// kindFragment counts fragments, which have no kind yet.
const kindFragment = event.KindActivity + 1

// tally counts the events of a request by kind, 0 being unknown, and outcome.
type tally [kindFragment + 1][outcomes]int

type metrics struct {
	requests         *prometheus.CounterVec
	events           [kindFragment + 1][outcomes]prometheus.Counter
	packed, unpacked prometheus.Counter
	append           prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer, b *budget) (*metrics, error) {
	const prefix = "flowgauge_receive_"
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "requests_total", Help: "Requests answered, by HTTP status.",
		}, []string{"code"}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "append_seconds", Help: "How long it took until a request's events were durable.",
			Buckets:                     prometheus.ExponentialBuckets(0.0005, 2, 14),
			NativeHistogramBucketFactor: 1.1,
		}),
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: prefix + "events_total",
		Help: "Events received, by kind and what became of them. Those of a request that got no 2xx are not among them, except rejected ones.",
	}, []string{"kind", "outcome"})
	bodies := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: prefix + "body_bytes_total", Help: "Bytes of bodies, as they came and unpacked.",
	}, []string{"form"})
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "in_flight_bytes", Help: "Memory that requests hold at the moment.",
	}, func() float64 { return float64(b.used.Load()) })
	for kind := range m.events {
		name := event.Kind(kind).String()
		if event.Kind(kind) == kindFragment {
			name = "fragment"
		}
		for o := range outcomes {
			m.events[kind][o] = events.WithLabelValues(name, outcomeNames[o])
		}
	}
	m.packed, m.unpacked = bodies.WithLabelValues("packed"), bodies.WithLabelValues("unpacked")
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.append, events, bodies, inFlight} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register metric: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) answered(status int) {
	m.requests.WithLabelValues(strconv.Itoa(status)).Inc()
}

func (m *metrics) count(t *tally) {
	for kind := range t {
		for o, n := range t[kind] {
			if n > 0 {
				m.events[kind][o].Add(float64(n))
			}
		}
	}
}
