package query

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// The endings of the fields of a metric, beside its own name for how it stands.
const (
	thenSuffix       = "_then"
	differenceSuffix = "_difference"
	eventsPrefix     = "events_"
)

// figure is a metric of a row; NaN is none.
type figure struct {
	value float64
	exact event.Decimal
}

// restated are rows of two answers beside each other, and why they differ.
type restated struct {
	q         *question
	then, now *answer
	pairs     []pair
	figures   [][2][]figure // by row: then and now, by metric
	causes    [][]int64     // by row, in the order of causes
}

func newRestated(q *question, then, now *answer, changes []*table) *restated {
	same := make(map[int64]int64, len(then.labels))
	for _, l := range then.labels {
		same[l] = l
	}
	order := make([]int, now.rows)
	for i := range order {
		order[i] = i
	}
	r := &restated{q: q, then: then, now: now, pairs: pairs(now, order, then, same)}
	index := make(map[string]int, len(r.pairs))
	var key []byte
	readers := [2][]*reader{}
	for _, f := range q.formulas {
		readers[0], readers[1] = append(readers[0], then.reader(f)), append(readers[1], now.reader(f))
	}
	for i, p := range r.pairs {
		dims, row := p.dims(now, then)
		key = appendDims(appendKey(key[:0], p.label), dims, row)
		index[string(key)] = i
		var figures [2][]figure
		for side, at := range []int{p.previous, p.now} {
			for _, reader := range readers[side] {
				figures[side] = append(figures[side], reader.figure(at))
			}
		}
		r.figures, r.causes = append(r.figures, figures), append(r.causes, make([]int64, len(causes)))
	}
	for _, t := range changes {
		for row := range t.rows {
			label := int64(0)
			if t.labels != nil {
				label = t.labels[row]
			}
			key = appendDims(appendKey(key[:0], label), t.dims, row)
			if i, ok := index[string(key)]; ok {
				for c := range causes {
					r.causes[i][c] += t.cells[c].ints[row]
				}
			}
		}
	}
	return r
}

// figure computes a metric of a row; of none, what nothing has.
func (r *reader) figure(row int) figure {
	if row < 0 {
		v, d := r.nothing()
		return figure{v, d}
	}
	if r.f.exact == nil {
		return figure{value: r.value(row)}
	}
	d, ok := r.decimal(row)
	if !ok {
		return figure{value: math.NaN()}
	}
	return figure{d.Float64(), d}
}

// less takes one figure off another.
func (f figure) less(other figure) figure {
	d := f.exact.Sub(other.exact)
	if f.exact != (event.Decimal{}) || other.exact != (event.Decimal{}) {
		return figure{d.Float64(), d}
	}
	return figure{f.value - other.value, d}
}

func (f figure) equal(other figure) bool {
	return f.exact == other.exact && (f.value == other.value || math.IsNaN(f.value) && math.IsNaN(other.value))
}

// keep leaves the rows at these places.
func (r *restated) keep(order []int) {
	r.pairs, r.figures, r.causes = permute(r.pairs, order), permute(r.figures, order), permute(r.causes, order)
}

// keepChanged leaves out the rows in which nothing has changed.
func (r *restated) keepChanged() {
	var order []int
	for i := range r.pairs {
		changed := slices.ContainsFunc(r.causes[i], func(n int64) bool { return n > 0 })
		for m := range r.q.metrics {
			changed = changed || !r.figures[i][0][m].equal(r.figures[i][1][m])
		}
		if changed {
			order = append(order, i)
		}
	}
	r.keep(order)
}

// order sorts rows by time and dimensions or, without a time, by how large the first
// difference is, and cuts them. It reports whether there were more.
func (r *restated) order(limit int) (truncated bool) {
	order := make([]int, len(r.pairs))
	for i := range order {
		order[i] = i
	}
	size := func(i int) figure {
		d := r.figures[i][1][0].less(r.figures[i][0][0])
		if d.exact.Sign() < 0 {
			d.exact = d.exact.Neg()
		}
		d.value = math.Abs(d.value)
		return d
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if r.q.granularity == Whole {
			x, y := size(a), size(b)
			// What is no number comes last.
			if c := cmp.Or(y.exact.Cmp(x.exact), cmp.Compare(y.value, x.value)); c != 0 {
				return c
			}
		}
		return comparePairs(r.pairs[a], r.pairs[b], r.now, r.then)
	})
	if truncated = limit > 0 && len(order) > limit; truncated {
		order = order[:limit]
	}
	r.keep(order)
	return truncated
}

func (r *restated) result() *Result {
	res := &Result{Exact: map[string][]string{}, Frame: data.NewFrame("")}
	if r.q.granularity != Whole {
		res.Frame.Fields = append(res.Frame.Fields, data.NewField(timeField, nil, r.q.times(r.q.calendar(), r.pairs)))
	}
	for d, name := range r.q.dims {
		dim, _ := metric.LookupDimension(name)
		values := make([]string, len(r.pairs))
		for i, p := range r.pairs {
			dims, row := p.dims(r.now, r.then)
			values[i] = dims[d][row]
		}
		field := data.NewField(name, nil, values)
		field.Config = &data.FieldConfig{DisplayNameFromDS: dim.Title, Description: dim.Description}
		res.Frame.Fields = append(res.Frame.Fields, field)
	}
	for i, m := range r.q.metrics {
		r.column(res, m, thenSuffix, " (then)", func(f [2][]figure) figure { return f[0][i] })
		r.column(res, m, "", "", func(f [2][]figure) figure { return f[1][i] })
		r.column(res, m, differenceSuffix, " (difference)", func(f [2][]figure) figure { return f[1][i].less(f[0][i]) })
	}
	for c, cause := range causes {
		values := make([]int64, len(r.pairs))
		for i := range values {
			values[i] = r.causes[i][c]
		}
		field := data.NewField(eventsPrefix+cause.name, nil, values)
		field.Config = &data.FieldConfig{DisplayNameFromDS: strings.ToUpper(cause.name[:1]) + cause.name[1:], Description: cause.description, Unit: "short"}
		res.Frame.Fields = append(res.Frame.Fields, field)
	}
	return res
}

// column adds a metric's field.
func (r *restated) column(res *Result, m *metric.Metric, suffix, title string, of func([2][]figure) figure) {
	values := make([]*float64, len(r.figures))
	exact := make([]string, len(r.figures))
	for i := range r.figures {
		f := of(r.figures[i])
		if !math.IsNaN(f.value) {
			values[i], exact[i] = &f.value, f.exact.String()
		}
	}
	field := data.NewField(m.Name+suffix, nil, values)
	field.Config = &data.FieldConfig{DisplayNameFromDS: m.Title + title, Description: m.Description, Unit: m.Unit}
	if m.Exact {
		res.Exact[field.Name] = exact
	}
	res.Frame.Fields = append(res.Frame.Fields, field)
}
