package query

import (
	"cmp"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// cellKind is the type of an aggregate's values.
type cellKind uint8

const (
	integers cellKind = iota
	decimals
	histograms
)

// cells is the column of an aggregate; one slice is used, as its kind says.
type cells struct {
	kind  cellKind
	ints  []int64
	decs  []event.Decimal
	hists []durationHistogram
}

// durationHistogram counts durations by bucket, the buckets in order.
type durationHistogram struct {
	buckets []int16
	counts  []uint64
}

// nearestRank returns the bucket that holds the smallest duration which at least
// percent of all durations do not exceed.
func (h durationHistogram) nearestRank(percent uint64) (int16, bool) {
	var total, seen uint64
	for _, n := range h.counts {
		total += n
	}
	for i, n := range h.counts {
		if seen += n; seen*100 >= percent*total && n > 0 {
			return h.buckets[i], true
		}
	}
	return 0, false
}

// table is what a statement gave, column by column. Its rows are distinct in
// label and dimensions.
type table struct {
	source metric.Source
	names  []string // of the cells
	labels []int64  // nil without a granularity
	dims   [][]string
	cells  []cells
	rows   int
	size   int // cells, and buckets of histograms, that were read
}

func (t *table) compareDims(a, b int) int {
	for _, d := range t.dims {
		if c := strings.Compare(d[a], d[b]); c != 0 {
			return c
		}
	}
	return 0
}

func (t *table) compare(a, b int) int {
	if t.labels != nil {
		if c := cmp.Compare(t.labels[a], t.labels[b]); c != 0 {
			return c
		}
	}
	return t.compareDims(a, b)
}

// sort puts the rows in order of label and dimensions.
func (t *table) sort() {
	order := make([]int, t.rows)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, t.compare)
	*t = *t.pick(order)
}

// pick returns a table of some rows, in the order given.
func (t *table) pick(rows []int) *table {
	out := &table{source: t.source, names: t.names, labels: permute(t.labels, rows), dims: make([][]string, len(t.dims)), cells: make([]cells, len(t.cells)), rows: len(rows)}
	for i := range t.dims {
		out.dims[i] = permute(t.dims[i], rows)
	}
	for i, c := range t.cells {
		out.cells[i] = cells{kind: c.kind, ints: permute(c.ints, rows), decs: permute(c.decs, rows), hists: permute(c.hists, rows)}
	}
	return out
}

func permute[T any](in []T, order []int) []T {
	if in == nil {
		return nil
	}
	out := make([]T, len(order))
	for i, from := range order {
		out[i] = in[from]
	}
	return out
}
