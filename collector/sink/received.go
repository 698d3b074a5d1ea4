package sink

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxSources is how many sources have a counter of their own, those that come
	// first. A sender may name as many as it likes, and every one of them would be
	// kept for good, here and by whoever scrapes.
	maxSources = 100
	// maxCodes is the same for reasons, of which protocols have some of their own.
	maxCodes = 100

	otherLabel = "other"
	noneLabel  = "none" // an empty label is no label to Prometheus
)

// received counts what came out of the log, when it is stored. What comes again after
// a crash is counted again: exact figures are those of ingest_log.
type received struct {
	events   *prometheus.CounterVec
	rejected *prometheus.CounterVec
	sources  bounded
	codes    bounded
}

func newReceived(reg prometheus.Registerer) (*received, error) {
	r := &received{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_sink_events_total",
			Help: "Events that came out of the log, by source, kind and what became of them. Sources beyond the first 100 are other.",
		}, []string{"source", "kind", "outcome"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowgauge_sink_rejected_events_total",
			Help: "Refused events that came out of the log, by source and reason. Sources beyond the first 100 are other.",
		}, []string{"source", "code"}),
		sources: bounded{most: maxSources, known: map[string]string{}},
		codes:   bounded{most: maxCodes, known: map[string]string{}},
	}
	if reg == nil {
		return r, nil
	}
	for _, c := range []prometheus.Collector{r.events, r.rejected} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metric: %w", err)
		}
	}
	return r, nil
}

// add counts a batch.
func (r *received) add(c *counts) {
	sums := map[*tally]*[outcomes]uint64{}
	for i := range c.entries {
		e := &c.entries[i]
		sum := sums[e.tally]
		if sum == nil {
			sum = new([outcomes]uint64)
			sums[e.tally] = sum
		}
		sum[e.outcome] += uint64(e.count)
	}
	for t, sum := range sums {
		source := r.sources.label(t.key.source)
		for what, name := range [outcomes]string{"accepted", "duplicate", "rejected"} {
			if n := float64(sum[what]); n > 0 {
				r.events.WithLabelValues(source, orNone(t.key.kind), name).Add(n)
			}
		}
		if n := float64(sum[rejected]); n > 0 {
			r.rejected.WithLabelValues(source, r.codes.label(string(t.key.code))).Add(n)
		}
	}
}

// bounded are the values of a label, which others than the process choose.
type bounded struct {
	most  int
	known map[string]string
}

func (b *bounded) label(value string) string {
	if known, ok := b.known[value]; ok {
		return known
	}
	if len(b.known) == b.most {
		return otherLabel
	}
	// The value's memory is that of a batch, and what was refused may be any bytes.
	own := strings.Clone(value)
	b.known[own] = orNone(strings.ToValidUTF8(own, "\uFFFD"))
	return b.known[own]
}

func orNone(value string) string {
	if value == "" {
		return noneLabel
	}
	return value
}
