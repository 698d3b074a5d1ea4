package promql

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/flowgauge/flowgauge/backend/query"
)

// selection is a choice with the samples that are wanted of it.
type selection struct {
	choice
	horizon query.Horizon
	groupBy []string
	status  bool   // series have the label status
	marked  string // a label that says of which the series are sums; see summed
	line    *timeline
	known   []int64
}

// reduce leaves out the labels that a sum around the selector does away with, so that
// the database adds up. It is the same because a total of a sum is the sum of totals,
// and because all series have the same samples: 0 before the first event, and so no
// series begins or ends within a group. doc.go says more.
func (s *selection) reduce(h *storage.SelectHints) {
	s.groupBy, s.status = s.family.labels, s.family.hasStatus()
	if h.Func != "sum" || len(s.rest) > 0 {
		return
	}
	kept := func(label string) bool { return slices.Contains(h.Grouping, label) == h.By }
	switch {
	case h.By:
	case len(h.Grouping) == 0: // not the sum's own operand
		return
	}
	s.groupBy = slices.DeleteFunc(slices.Clone(s.groupBy), func(l string) bool { return !kept(l) })
	s.status = s.status && kept(statusLabel)
}

// rises reports whether nothing but how far a counter rises is asked for. Counters
// here never reset, so that is told by a window's first and last sample. Those between
// them say how far apart samples are, by which rate and increase decide whether to
// extrapolate to the window's ends; a window that reaches no further than a minute beyond
// its samples is extrapolated to its ends in any case. Else they have to be
// there, with any value from the one to the other.
func (s *selection) rises(h *storage.SelectHints) bool {
	return h.Range > 0 && (h.Func == "rate" || h.Func == "increase") && !s.family.gauge()
}

// sampled says at which minutes samples are wanted, and at which of these totals; nil
// is all. The others show the totals before them.
func (s *selection) sampled(at, known []int64) {
	s.line = &timeline{at: at}
	if known == nil {
		s.known, s.line.slots = coarse(at, s.horizon.Resolution)
		return
	}
	var slots []int32
	s.known, slots = coarse(known, s.horizon.Resolution)
	s.line.slots = held(at, known)
	if slots != nil {
		for i, slot := range s.line.slots {
			s.line.slots[i] = slots[slot]
		}
	}
}

// bare asks for the series alone.
func (s *selection) bare(horizon query.Horizon, h *storage.SelectHints) {
	s.line = &timeline{}
	s.known = s.family.span(horizon, h.Start, h.End)
}

// span returns the moments to ask for if only series are wanted. Those of counters
// are there all the time; a gauge's are there while something runs.
func (f *family) span(horizon query.Horizon, start, end int64) []int64 {
	from, to := max(ceilMinute(start), horizon.First), min(floorMinute(end), horizon.Last)
	if !f.gauge() || from > to {
		return nil
	}
	return slices.Compact([]int64{from, to})
}

// series makes the series of a group.
func (s *selection) series(g *query.TotalsGroup) []storage.Series {
	var out []storage.Series
	add := func(status string, sums, presence []float64) {
		if len(presence) == 0 || presence[len(presence)-1] == 0 && !s.family.gauge() {
			return
		}
		l := s.labels(g, status)
		for _, m := range s.rest {
			if !m.Matches(l.Get(m.Name)) {
				return
			}
		}
		if s.family.seconds {
			sums = scaled(sums)
		}
		out = append(out, &series{labels: l, line: s.line, steps: g.Steps, sums: sums, added: g.Histograms, gauge: s.family.gauge()})
	}
	presence := func(of []float64) []float64 {
		if n := len(s.family.parts); n < len(g.Sums) {
			return added(g.Sums[n:])
		}
		return of
	}
	if !s.status {
		sums := make([][]float64, len(s.parts))
		for i, part := range s.parts {
			sums[i] = g.Sums[part]
		}
		total := added(sums)
		add("", total, presence(total))
		return out
	}
	for _, part := range s.parts {
		add(s.family.parts[part].status, g.Sums[part], presence(g.Sums[part]))
	}
	return out
}

func (s *selection) labels(g *query.TotalsGroup, status string) labels.Labels {
	b := labels.NewScratchBuilder(len(s.groupBy) + 3)
	b.Add(model.MetricNameLabel, s.family.name)
	for i, name := range s.groupBy {
		if v := g.Dimensions[i]; v != "" {
			b.Add(name, v)
		}
	}
	if status != "" {
		b.Add(statusLabel, status)
	}
	if s.marked != "" {
		b.Add(s.marked, ofOthers)
	}
	b.Sort()
	return b.Labels()
}

// added adds lists up, element by element.
func added(lists [][]float64) []float64 {
	if len(lists) == 1 {
		return lists[0]
	}
	out := slices.Clone(lists[0])
	for _, list := range lists[1:] {
		for i, v := range list {
			out[i] += v
		}
	}
	return out
}

// scaled turns milliseconds into seconds: the nearest float64 of the exact sum.
func scaled(ms []float64) []float64 {
	out := make([]float64, len(ms))
	for i, v := range ms {
		out[i] = v / 1000
	}
	return out
}
