package query

import (
	"github.com/flowgauge/flowgauge/backend/event"
)

// totalsGroups adds up what the statement's rows, in order of dimensions and step,
// change. The formulas of additive metrics are sums of aggregates, so that the value
// of a change is the change of the value.
func (q *question) totalsGroups(t *table, r TotalsRequest) []TotalsGroup {
	var out []TotalsGroup
	a := q.join([]*table{t})
	readers := make([]*reader, len(r.Metrics))
	for i := range r.Metrics {
		readers[i] = a.reader(q.formulas[i])
	}
	var histogram []durationHistogram
	if r.Histogram {
		histogram = a.reader(q.formulas[len(r.Metrics)]).in[0].hists
	}
	step := stepOf(r.At)
	for from := 0; from < t.rows; {
		to := from + 1
		for to < t.rows && t.compareDims(from, to) == 0 {
			to++
		}
		g := TotalsGroup{Dimensions: make([]string, len(t.dims)), Steps: make([]int32, to-from), Sums: make([][]float64, len(readers))}
		for d := range t.dims {
			g.Dimensions[d] = t.dims[d][from]
		}
		for row := from; row < to; row++ {
			g.Steps[row-from] = step(t.labels[row])
		}
		for i, reader := range readers {
			g.Sums[i] = reader.running(from, to)
		}
		if histogram != nil {
			g.Histograms = make([]DurationCounts, to-from)
			for row := from; row < to; row++ {
				g.Histograms[row-from] = DurationCounts{Buckets: histogram[row].buckets, Counts: histogram[row].counts}
			}
		}
		out = append(out, g)
		from = to
	}
	return out
}

// running returns the totals of a metric after each of some rows. Whole numbers are
// added as such: their sum is exact as far as float64 has whole numbers.
func (r *reader) running(from, to int) []float64 {
	out := make([]float64, to-from)
	if r.f.exact != nil {
		var total event.Decimal
		for row := from; row < to; row++ {
			total = total.Add(r.f.exact(r.in, row))
			out[row-from] = total.Float64()
		}
		return out
	}
	var total int64
	for row := from; row < to; row++ {
		v, _ := r.f.value(r.in, row)
		total += int64(v)
		out[row-from] = float64(total)
	}
	return out
}
