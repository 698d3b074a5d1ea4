package query

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// answer is what the sources gave for one period, joined on label and
// dimensions. Its rows point into the sources' tables: nothing is copied.
type answer struct {
	q      *question
	labels []int64 // nil without a granularity
	dims   [][]string
	rows   int
	tables map[metric.Source]*table
	at     map[metric.Source][]int32 // row of the answer to row of the table, -1 for none; nil: the same
}

// join makes an answer of the sources' tables.
func (q *question) join(tables []*table) *answer {
	a := &answer{q: q, tables: map[metric.Source]*table{}, at: map[metric.Source][]int32{}}
	if len(tables) == 1 {
		t := tables[0]
		a.tables[t.source] = t
		a.labels, a.dims, a.rows = t.labels, t.dims, t.rows
		return a
	}
	bucketed := q.granularity != Whole
	a.dims = make([][]string, len(q.dims))
	index := map[string]int{}
	var key []byte
	for _, t := range tables {
		a.tables[t.source] = t
		at := slices.Repeat([]int32{-1}, a.rows)
		for row := range t.rows {
			key = t.key(key[:0], row)
			i, ok := index[string(key)]
			if !ok {
				i = a.rows
				index[string(key)] = i
				a.rows++
				at = append(at, -1)
				if bucketed {
					a.labels = append(a.labels, t.labels[row])
				}
				for d := range a.dims {
					a.dims[d] = append(a.dims[d], t.dims[d][row])
				}
			}
			at[i] = int32(row)
		}
		a.at[t.source] = at
	}
	for s, at := range a.at {
		for len(at) < a.rows {
			at = append(at, -1)
		}
		a.at[s] = at
	}
	return a
}

// key identifies a row by label and dimensions.
func (t *table) key(dst []byte, row int) []byte {
	if t.labels != nil {
		dst = appendKey(dst, t.labels[row])
	}
	return appendDims(dst, t.dims, row)
}

func appendKey(dst []byte, n int64) []byte {
	for shift := 0; shift < 64; shift += 8 {
		dst = append(dst, byte(n>>shift))
	}
	return dst
}

func appendDims(dst []byte, dims [][]string, row int) []byte {
	for _, d := range dims {
		dst = appendKey(dst, int64(len(d[row])))
		dst = append(dst, d[row]...)
	}
	return dst
}

// row returns where an answer's row lies in a source's table, or -1.
func (a *answer) row(s metric.Source, row int) int {
	if at := a.at[s]; at != nil {
		return int(at[row])
	}
	return row
}

// reader computes one metric for the answer's rows.
type reader struct {
	a       *answer
	f       formula
	in      []cells
	sources []metric.Source
	simple  bool // all aggregates lie in one table that the answer is itself
}

func (a *answer) reader(f formula) *reader {
	r := &reader{a: a, f: f, in: make([]cells, len(f.needs)), simple: true}
	for i, n := range f.needs {
		t := a.tables[n.source]
		r.in[i] = t.cells[slices.Index(t.names, n.name)]
		r.sources = append(r.sources, n.source)
		r.simple = r.simple && a.at[n.source] == nil
	}
	return r
}

// cells returns the formula's inputs for a row, and the row in them. A source
// without the row counts as 0, but not the first: a metric whose own source has
// nothing there has no value.
func (r *reader) cells(row int) ([]cells, int, bool) {
	if r.simple {
		return r.in, row, true
	}
	if r.a.row(r.sources[0], row) < 0 && !r.mixed() {
		return nil, 0, false
	}
	one := make([]cells, len(r.in))
	for i := range r.in {
		at := r.a.row(r.sources[i], row)
		one[i] = r.in[i].pick(at)
	}
	return one, 0, true
}

func (r *reader) mixed() bool {
	return slices.ContainsFunc(r.sources, func(s metric.Source) bool { return s != r.sources[0] })
}

// pick returns a column of one row; row -1 gives zero.
func (c cells) pick(row int) cells {
	if row < 0 {
		return cells{kind: c.kind, ints: []int64{0}, decs: []event.Decimal{{}}, hists: []durationHistogram{{}}}
	}
	out := cells{kind: c.kind}
	switch c.kind {
	case decimals:
		out.decs = c.decs[row : row+1]
	case histograms:
		out.hists = c.hists[row : row+1]
	default:
		out.ints = c.ints[row : row+1]
	}
	return out
}

// value returns a metric as a float64; NaN is none.
func (r *reader) value(row int) float64 {
	in, at, ok := r.cells(row)
	if !ok {
		return math.NaN()
	}
	if r.f.exact != nil {
		return r.f.exact(in, at).Float64()
	}
	v, ok := r.f.value(in, at)
	if !ok {
		return math.NaN()
	}
	return v
}

// decimal returns an exact metric.
func (r *reader) decimal(row int) (event.Decimal, bool) {
	in, at, ok := r.cells(row)
	if !ok {
		return event.Decimal{}, false
	}
	return r.f.exact(in, at), true
}

// compareRows orders two rows by label and dimensions.
func (a *answer) compareRows(i, j int) int {
	if a.labels != nil {
		if c := cmp.Compare(a.labels[i], a.labels[j]); c != 0 {
			return c
		}
	}
	for _, d := range a.dims {
		if c := strings.Compare(d[i], d[j]); c != 0 {
			return c
		}
	}
	return 0
}

// ranked returns the rows in the order of the question: by its metric, those
// without a value last, ties by dimensions; else by label and dimensions.
func (a *answer) ranked() []int {
	order := make([]int, a.rows)
	for i := range order {
		order[i] = i
	}
	if a.q.order < 0 || a.labels != nil {
		slices.SortFunc(order, a.compareRows)
		return order
	}
	r := a.reader(a.q.formulas[a.q.order])
	exact := r.f.exact != nil
	values := make([]float64, a.rows)
	amounts := make([]event.Decimal, 0, a.rows)
	for i := range values {
		values[i] = r.value(i)
		if exact {
			d, _ := r.decimal(i)
			amounts = append(amounts, d)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case math.IsNaN(values[i]) || math.IsNaN(values[j]):
			if c := cmp.Compare(boolean(math.IsNaN(values[i])), boolean(math.IsNaN(values[j]))); c != 0 {
				return c
			}
			return a.compareRows(i, j)
		}
		c := cmp.Compare(values[i], values[j])
		if exact {
			c = amounts[i].Cmp(amounts[j])
		}
		if a.q.descending {
			c = -c
		}
		if c != 0 {
			return c
		}
		return a.compareRows(i, j)
	})
	return order
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// groups lists the dimension values of some rows.
func (a *answer) groups(rows []int) *groups {
	g := &groups{dims: a.q.dims, values: make([][]string, len(a.dims))}
	for d := range a.dims {
		for _, row := range rows {
			g.values[d] = append(g.values[d], a.dims[d][row])
		}
	}
	return g
}
