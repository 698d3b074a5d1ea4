package query

import (
	"math"
	"slices"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/event"
)

// Fill says what an answer has for the buckets of the period in which a group has
// no row.
type Fill string

// The fills.
const (
	NoFill   Fill = ""     // no row; "none" says the same
	FillNone Fill = "none" // no row
	FillNull Fill = "null" // a row without figures
	// FillZero is a row with the figures of nothing: 0 for what is counted or summed,
	// none for rates, averages and percentiles, which nothing has. A bucket that has not
	// begun yet has none either.
	FillZero Fill = "zero"
)

var fills = []string{string(FillNone), string(FillNull), string(FillZero)}

func (q *question) checkFill(r Request) error {
	switch {
	case r.Fill == NoFill || r.Fill == FillNone:
		return nil
	case !slices.Contains(fills, string(r.Fill)):
		return requestError("fill", string(r.Fill), "no such way to fill empty buckets", string(FillZero), fills...)
	case r.Granularity == Whole:
		return requestError("fill", string(r.Fill), "without a granularity there are no buckets to fill: name one", string(FillNone), string(FillNone))
	}
	q.fill = r.Fill
	return nil
}

// filled adds a row for each bucket and group that has none. The groups are those of
// the rows; without dimensions there is one, also when nothing happened at all.
func (q *question) filled(rows []pair, cal *calendar, now, previous *answer, most int) ([]pair, error) {
	labels := cal.labels()
	have := make(map[string]bool, len(rows))
	var (
		groups []pair
		known  = map[string]bool{}
		key    []byte
	)
	for _, p := range rows {
		dims, row := p.dims(now, previous)
		key = appendDims(key[:0], dims, row)
		if !known[string(key)] {
			known[string(key)] = true
			groups = append(groups, p)
		}
		have[string(appendKey(key, p.label))] = true
	}
	if len(q.dims) == 0 && len(groups) == 0 {
		groups = []pair{{now: -1, previous: -1}}
	}
	if len(groups)*len(labels) > most {
		return nil, requestError("fill", string(q.fill), "filled, the answer has more than "+strconv.Itoa(most)+
			" rows: set a limit, take a coarser granularity, a shorter period or fewer dimensions", string(FillNone), fills...)
	}
	for i := range groups {
		dims, row := groups[i].dims(now, previous)
		key = appendDims(key[:0], dims, row)
		for _, l := range labels {
			if !have[string(appendKey(key, l))] {
				rows = append(rows, pair{label: l, now: -1, previous: -1, like: &groups[i]})
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b pair) int { return comparePairs(a, b, now, previous) })
	return rows, nil
}

// emptiness tells which empty places of an answer have the figures of nothing: those
// of buckets that the period has and that have begun.
func (q *question) emptiness(cal *calendar) func(label int64) bool {
	if q.fill != FillZero {
		return func(int64) bool { return false }
	}
	begun := map[int64]bool{}
	for _, l := range cal.labels() {
		begun[l] = cal.start(l) <= q.now.Unix()
	}
	return func(label int64) bool { return begun[label] }
}

// nothing computes a metric where nothing happened; NaN is no figure.
func (r *reader) nothing() (float64, event.Decimal) {
	in := make([]cells, len(r.in))
	for i, c := range r.in {
		in[i] = c.pick(-1)
	}
	if r.f.exact != nil {
		d := r.f.exact(in, 0)
		return d.Float64(), d
	}
	if v, ok := r.f.value(in, 0); ok {
		return v, event.Decimal{}
	}
	return math.NaN(), event.Decimal{}
}
