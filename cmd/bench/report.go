package main

import (
	"slices"
	"strings"
)

// report prints the medians' ratios.
func (b *ingest) report() {
	rate := func(name string) float64 { return b.median(name, measure.rate) }
	fair := func(name string) float64 { return b.median(name, func(m measure) float64 { return m.fair(b.cores) }) }
	cost := func(name string) float64 { return b.median(name, measure.perEvent) }
	b.say("\nratios of medians of %d rounds of %s", b.rounds, b.duration)
	if b.wants("R1") {
		b.say("R1  durable ingest ÷ raw columnar insert            %.2f   (%.2f without giving the generator's time back)",
			fair("flowgauge")/fair("raw columnar insert"), rate("flowgauge")/rate("raw columnar insert"))
	}
	if b.wants("R2") {
		for _, peer := range []string{"OpenTelemetry Collector", "OpenTelemetry Collector, tuned"} {
			b.say("R2  OTLP ingest ÷ %-33s %.2f   (%.2f)", peer, fair("flowgauge OTLP")/fair(peer), rate("flowgauge OTLP")/rate(peer))
		}
	}
	if b.wants("R3") {
		b.say("R3  processor time per event ÷ JSONEachRow          %.2f without rollups, %.2f with",
			cost("flowgauge without rollups")/cost("JSONEachRow"), cost("flowgauge")/cost("JSONEachRow"))
	}
	if b.wants("plugins") {
		none, inside, outside := fair("flowgauge"), fair("flowgauge, enricher compiled in"), fair("flowgauge, enricher as a plugin")
		b.say("plugins  throughput as a plugin ÷ compiled in       %.2f   (÷ without any %.2f)", outside/inside, outside/none)
	}
	if b.wants("history") {
		none, kept := "flowgauge", "flowgauge, history of 30 days"
		b.say("history  throughput with it ÷ without               %.2f   (processor time per event %.2f)", fair(kept)/fair(none), cost(kept)/cost(none))
	}
	if b.wants("R4") {
		best := ""
		for name := range b.figures {
			if strings.HasPrefix(name, "async insert") && (best == "" || rate(name) > rate(best)) {
				best = name
			}
		}
		b.say("R4  single events ÷ the best of ClickHouse's (%s)   %.2f   (%.2f)",
			best, fair("flowgauge single events")/fair(best), rate("flowgauge single events")/rate(best))
	}
}

func (b *ingest) median(name string, of func(measure) float64) float64 {
	var all []float64
	for _, m := range b.figures[name] {
		all = append(all, of(m))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
