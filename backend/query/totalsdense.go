package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// A counter of a busy platform changes at almost every moment. Then a row for each
// change, all with the group's dimensions, costs more to group, to sort and to send than
// the figures do. A dense statement has a row for each group, in which an aggregate is
// an array: what each moment adds.

// denseMoments is how many moments a dense statement has at most: the database keeps
// that many figures for each group, whether they are 0 or not.
const denseMoments = 1000

// dense reports whether a question about totals is answered by a dense statement.
// Single users do little: most of their figures would be 0.
func (q *question) dense(at []int64) bool {
	s := q.sources[0]
	if len(at) == 0 || len(at) > denseMoments || s == metric.SourceRunning || q.byUser(s) {
		return false
	}
	return !slices.ContainsFunc(q.aggregates(s), func(n string) bool {
		a := aggregatesOf(s)[n]
		return a.merge != added || a.kind == histograms || len(a.measures) != 1
	})
}

// index renders which moment an event at ts counts at, as its place among all of them.
// Windows that follow each other at one distance have moments at two in turn, their
// ends and their beginnings; that is arithmetic too, and a list is looked through otherwise.
func (b *binder) index(at []int64) string {
	if _, even := spacing(at); even {
		return b.step(at)
	}
	if width, ok := spacing(everySecond(at, 0)); ok && len(at) > 2 {
		if other, ok := spacing(everySecond(at, 1)); ok && (other == width || len(at) == 3) {
			since := "(ts - " + b.bind(at[0], "Int64") + ")"
			period := b.bind(width, "Int64")
			return fmt.Sprintf("if(%[1]s < 0, 0, least(%[2]s, 2 * intDiv(%[1]s, %[3]s) + if(%[1]s %% %[3]s < %[4]s, 1, 2)))",
				since, b.bind(int64(len(at)), "Int64"), period, b.bind(at[1]-at[0], "Int64"))
		}
	}
	places := make([]int64, len(at))
	for i := range places {
		places[i] = int64(i + 1) // the first that is later than the moment before ts
	}
	return fmt.Sprintf("transform(%s, %s, %s, toInt64(0))", b.step(at), b.bind(at, "Array(Int64)"), b.bind(places, "Array(Int64)"))
}

// everySecond is each other moment, from one on.
func everySecond(at []int64, from int) []int64 {
	var some []int64
	for i := from; i < len(at); i += 2 {
		some = append(some, at[i])
	}
	return some
}

// A denseColumn is an array in each row, of what each moment adds to one aggregate or to two.
//
// Most of the time of a statement goes into finding and writing the figures of its arrays, so
// two counts of events share one: the second is in the upper half of its numbers.
type denseColumn struct {
	aggregates []string
	places     []int // of the aggregates among the question's
	kind       cellKind
	data       proto.ColResult
	offsets    *proto.ColUInt64
	ints       *proto.ColInt64
	decs       *proto.ColDecimal128
	// What two counts add up to in the whole row: with less than mostShared each, neither half
	// can have run over.
	sums []*proto.ColUInt64
}

const mostShared = 1 << 32

// denseColumns are the columns of a dense statement. shared says that counts may share one.
func (q *question) denseColumns(shared bool) []*denseColumn {
	var columns []*denseColumn
	var half *denseColumn // of one count
	for place, n := range q.aggregates(q.sources[0]) {
		a := aggregatesOf(q.sources[0])[n]
		if shared && a.counts && half != nil {
			half.aggregates, half.places = append(half.aggregates, n), append(half.places, place)
			half.sums = []*proto.ColUInt64{new(proto.ColUInt64), new(proto.ColUInt64)}
			half = nil
			continue
		}
		c := &denseColumn{aggregates: []string{n}, places: []int{place}, kind: a.kind}
		if a.kind == decimals {
			c.decs = new(proto.ColDecimal128)
			array := proto.NewArray[proto.Decimal128](c.decs)
			c.data, c.offsets = array, &array.Offsets
		} else {
			c.ints = new(proto.ColInt64)
			array := proto.NewArray[int64](c.ints)
			c.data, c.offsets = array, &array.Offsets
		}
		if a.counts {
			half = c
		}
		columns = append(columns, c)
	}
	return columns
}

// rendered are the columns of a statement for it, and where they are read.
func (c *denseColumn) rendered(s metric.Source, index string, moments int) (columns []string, results proto.Results) {
	measure := func(i int) string { return "m_" + aggregatesOf(s)[c.aggregates[i]].measures[0] }
	value := measure(0)
	if c.sums != nil {
		value += " + bitShiftLeft(" + measure(1) + ", 32)"
		for i, sum := range c.sums {
			name := column(c.aggregates[i]) + "_sum"
			columns = append(columns, fmt.Sprintf("toUInt64(sum(%s)) AS %s", measure(i), name))
			results = append(results, proto.ResultColumn{Name: name, Data: sum})
		}
	}
	if c.kind == integers {
		value = "toInt64(" + value + ")"
	}
	name := column(c.aggregates[0])
	columns = append(columns, fmt.Sprintf("sumResample(0, %d, 1)(%s, %s) AS %s", moments+1, value, index, name))
	return columns, append(results, proto.ResultColumn{Name: name, Data: c.data})
}

// overrun reports whether a half of a shared column may have run over.
func (c *denseColumn) overrun(row int) bool {
	return slices.ContainsFunc(c.sums, func(sum *proto.ColUInt64) bool { return (*sum)[row] >= mostShared })
}

// into writes a row's figures to those of the aggregates.
func (c *denseColumn) into(all []cells, row int) {
	from, to := 0, int((*c.offsets)[row])
	if row > 0 {
		from = int((*c.offsets)[row-1])
	}
	first := &all[c.places[0]]
	first.ints, first.decs = first.ints[:0], first.decs[:0]
	switch {
	case c.kind == decimals:
		for _, v := range (*c.decs)[from:to] {
			first.decs = append(first.decs, event.Decimal{Lo: v.Low, Hi: int64(v.High)})
		}
	case c.sums == nil:
		first.ints = append(first.ints, (*c.ints)[from:to]...)
	default:
		second := &all[c.places[1]]
		second.ints = second.ints[:0]
		for _, v := range (*c.ints)[from:to] {
			first.ints = append(first.ints, int64(uint64(v)&(mostShared-1)))
			second.ints = append(second.ints, int64(uint64(v)>>32))
		}
	}
}

// denseGroup is what is read of a group: what each moment adds to each aggregate.
// It is another's as soon as it was taken.
type denseGroup struct {
	dims  []string
	cells []cells
}

// adds reports whether a moment adds anything.
func (g *denseGroup) adds(moment int) bool {
	for i := range g.cells {
		if c := &g.cells[i]; c.kind == decimals && c.decs[moment] != (event.Decimal{}) || c.kind != decimals && c.ints[moment] != 0 {
			return true
		}
	}
	return false
}

// errOverrun says that counts are too large to share a column.
var errOverrun = errors.New("query: counts of a group are too many to share a column")

// readDense reads what is added at moments within a question's period, of at most so many
// groups and one more. begin gives what takes the groups, from the first on.
func (e *Engine) readDense(ctx context.Context, w *run, q *question, at []int64, most int, begin func() func(*denseGroup) error) error {
	err := e.readColumns(ctx, w, q, at, most, q.denseColumns(true), begin())
	if errors.Is(err, errOverrun) {
		err = e.readColumns(ctx, w, q, at, most, q.denseColumns(false), begin())
	}
	return err
}

func (e *Engine) readColumns(ctx context.Context, w *run, q *question, at []int64, most int, columns []*denseColumn, take func(*denseGroup) error) error {
	b := newBinder(q.scope)
	q.numbers = true
	from, levels := w.totals(q, b, at)
	index := b.index(at)
	var (
		rendered, keys []string
		results        proto.Results
	)
	dims := make([]*proto.ColStr, len(q.dims))
	for i, d := range q.dims {
		dims[i] = new(proto.ColStr)
		key := dimensionAlias(d)
		name, value := key+"_text", key
		if d == metric.Version {
			value = "toString(" + key + ")"
		}
		keys, rendered = append(keys, key), append(rendered, value+" AS "+name)
		results = append(results, proto.ResultColumn{Name: name, Data: dims[i]})
	}
	for _, c := range columns {
		more, read := c.rendered(q.sources[0], index, len(at))
		rendered, results = append(rendered, more...), append(results, read...)
	}
	sql := fmt.Sprintf("SELECT %s\nFROM %s", strings.Join(rendered, ", "), from)
	if len(keys) > 0 {
		sql += fmt.Sprintf("\nGROUP BY %s\nLIMIT %d", strings.Join(keys, ", "), most+1)
	}
	if slices.Contains(levels, string(levelRaw)) {
		sql += "\nSETTINGS do_not_merge_across_partitions_select_final = 1"
	}
	group := denseGroup{cells: make([]cells, len(q.aggregates(q.sources[0])))}
	for _, c := range columns {
		for _, place := range c.places {
			group.cells[place].kind = c.kind
		}
	}
	var refused error
	err := e.client.Do(ctx, clickhouse.Query{
		SQL: sql, Params: b.params, Settings: e.settings(), Result: results,
		OnResult: func(_ context.Context, block proto.Block) error {
			for row := range block.Rows {
				group.dims = make([]string, len(dims))
				for i, d := range dims {
					group.dims[i] = d.Row(row)
				}
				for _, c := range columns {
					if c.overrun(row) {
						refused = errOverrun
						return refused
					}
					c.into(group.cells, row)
				}
				if refused = take(&group); refused != nil {
					return refused
				}
			}
			return nil
		},
	})
	if refused != nil {
		return refused
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", q.sources[0], err)
	}
	return nil
}

// denseTotals answers a question about totals by a dense statement.
func (e *Engine) denseTotals(ctx context.Context, q *question, r TotalsRequest, most int) (*Totals, error) {
	ctx, before, err := e.totalsBefore(ctx, q, r)
	if err != nil {
		return nil, err
	}
	w, err := e.begin(ctx, q)
	if err != nil {
		return nil, err
	}
	if before != nil {
		q.from = time.Unix(before.until, 0).UTC()
	}
	groups := min(maxTotalsRows/(len(r.At)+1), most)
	var out *Totals
	var rest map[string]int // groups that have only what was before
	add := func(g *denseGroup) error {
		if made := q.denseTotal(g, r); len(made.Steps) > 0 {
			out.Groups = append(out.Groups, made)
			out.Size += len(made.Steps) * len(g.cells)
		}
		if len(out.Groups) > groups || out.Size > most {
			return tooManyTotals(most)
		}
		return nil
	}
	err = e.readDense(ctx, w, q, r.At, groups, func() func(*denseGroup) error {
		out, rest = &Totals{}, before.places()
		return func(g *denseGroup) error {
			before.addTo(g, rest)
			return add(g)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, place := range rest {
		if err := add(before.group(place, len(r.At)+1)); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out.Groups, func(a, b TotalsGroup) int { return slices.Compare(a.Dimensions, b.Dimensions) })
	out.Notices = w.notices(false, q)
	return out, nil
}

// denseTotal makes steps of a group: the moments at which something is added.
func (q *question) denseTotal(g *denseGroup, r TotalsRequest) TotalsGroup {
	out := TotalsGroup{Dimensions: g.dims, Steps: make([]int32, 0, len(r.At)+1), Sums: make([][]float64, len(r.Metrics))}
	for moment := range len(r.At) + 1 {
		if g.adds(moment) {
			out.Steps = append(out.Steps, int32(moment))
		}
	}
	in := g.cells
	if len(out.Steps) <= len(r.At) {
		in = make([]cells, len(g.cells))
		for i := range in {
			in[i] = g.cells[i].at(out.Steps)
		}
	}
	names := q.aggregates(q.sources[0])
	for i := range r.Metrics {
		f := q.formulas[i]
		of := &reader{f: f, in: make([]cells, len(f.needs))}
		for j, n := range f.needs {
			of.in[j] = in[slices.Index(names, n.name)]
		}
		out.Sums[i] = of.running(0, len(out.Steps))
	}
	return out
}

// at returns some of the cells.
func (c *cells) at(places []int32) cells {
	out := cells{kind: c.kind}
	if c.kind == decimals {
		out.decs = make([]event.Decimal, len(places))
		for i, p := range places {
			out.decs[i] = c.decs[p]
		}
		return out
	}
	out.ints = make([]int64, len(places))
	for i, p := range places {
		out.ints[i] = c.ints[p]
	}
	return out
}
