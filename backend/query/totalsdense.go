package query

import (
	"context"
	"fmt"
	"slices"
	"strings"

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
func (q *question) dense(s metric.Source, names []string, at []int64) bool {
	if len(at) == 0 || len(at) > denseMoments || s == metric.SourceRunning || q.byUser(s) {
		return false
	}
	return !slices.ContainsFunc(names, func(n string) bool {
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

// densely renders the outer part.
func (q *question) densely(b *binder, s metric.Source, names, levels []string, from string, at []int64, most int) statement {
	st := statement{source: s, params: b.params, dims: q.dims, aggregates: names, levels: levels}
	index := b.index(at)
	var keys, columns []string
	for _, d := range q.dims {
		keys = append(keys, dimensionAlias(d))
	}
	for _, n := range names {
		a := aggregatesOf(s)[n]
		value := "m_" + a.measures[0]
		if a.kind == integers {
			value = "toInt64(" + value + ")"
		}
		columns = append(columns, fmt.Sprintf("sumResample(0, %d, 1)(%s, %s) AS %s", len(at)+1, value, index, column(n)))
	}
	st.sql = fmt.Sprintf("SELECT %s\nFROM %s", strings.Join(append(slices.Clone(keys), columns...), ", "), from)
	if len(keys) > 0 {
		st.sql += fmt.Sprintf("\nGROUP BY %[1]s\nORDER BY %[1]s\nLIMIT %[2]d", strings.Join(keys, ", "), min(maxTotalsRows/(len(at)+1), most)+1)
	}
	if slices.Contains(levels, string(levelRaw)) {
		st.sql += "\nSETTINGS do_not_merge_across_partitions_select_final = 1"
	}
	return st
}

// readDense runs a dense statement. size is as in Totals.
func (e *Engine) readDense(ctx context.Context, q *question, st statement, r TotalsRequest) (out []TotalsGroup, size int, err error) {
	var results proto.Results
	dims := make([]*proto.ColStr, len(st.dims))
	for i, d := range st.dims {
		dims[i] = new(proto.ColStr)
		results = append(results, proto.ResultColumn{Name: dimensionAlias(d), Data: dims[i]})
	}
	arrays := make([]denseColumn, len(st.aggregates))
	for i, name := range st.aggregates {
		arrays[i] = newDenseColumn(aggregatesOf(st.source)[name].kind)
		results = append(results, proto.ResultColumn{Name: column(name), Data: arrays[i].data})
	}
	var refused error
	err = e.client.Do(ctx, clickhouse.Query{
		SQL: st.sql, Params: st.params, Settings: e.settings(), Result: results,
		OnResult: func(_ context.Context, block proto.Block) error {
			for row := range block.Rows {
				g, some := q.denseGroup(st, arrays, row, r)
				if !some {
					continue
				}
				for _, d := range dims {
					g.Dimensions = append(g.Dimensions, d.Row(row))
				}
				out = append(out, g)
				size += len(g.Steps) * len(st.aggregates)
			}
			if size > st.most || len(out)*(len(r.At)+1) > maxTotalsRows {
				refused = tooManyTotals(st.most)
			}
			return refused
		},
	})
	if refused != nil {
		return nil, 0, refused
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", st.source, err)
	}
	return out, size, nil
}

// denseGroup makes steps of a group's row: the moments at which something is added.
func (q *question) denseGroup(st statement, arrays []denseColumn, row int, r TotalsRequest) (g TotalsGroup, some bool) {
	g.Dimensions = make([]string, 0, len(st.dims))
	for moment := range len(r.At) + 1 {
		if slices.ContainsFunc(arrays, func(a denseColumn) bool { return a.adds(row, moment) }) {
			g.Steps = append(g.Steps, int32(moment))
		}
	}
	in := make([]cells, len(arrays))
	for i, a := range arrays {
		in[i] = a.at(row, g.Steps)
	}
	for i := range r.Metrics {
		f := q.formulas[i]
		of := &reader{f: f, in: make([]cells, len(f.needs))}
		for j, n := range f.needs {
			of.in[j] = in[slices.Index(st.aggregates, n.name)]
		}
		g.Sums = append(g.Sums, of.running(0, len(g.Steps)))
	}
	return g, len(g.Steps) > 0
}

// denseColumn is an aggregate of a dense statement: an array in each row.
type denseColumn struct {
	kind    cellKind
	data    proto.ColResult
	offsets *proto.ColUInt64
	ints    *proto.ColInt64
	decs    *proto.ColDecimal128
}

func newDenseColumn(kind cellKind) denseColumn {
	if kind == decimals {
		values := new(proto.ColDecimal128)
		array := proto.NewArray[proto.Decimal128](values)
		return denseColumn{kind: kind, data: array, offsets: &array.Offsets, decs: values}
	}
	values := new(proto.ColInt64)
	array := proto.NewArray[int64](values)
	return denseColumn{kind: kind, data: array, offsets: &array.Offsets, ints: values}
}

func (c denseColumn) begin(row int) int {
	if row == 0 {
		return 0
	}
	return int((*c.offsets)[row-1])
}

func (c denseColumn) adds(row, moment int) bool {
	i := c.begin(row) + moment
	if c.kind == decimals {
		v := (*c.decs)[i]
		return v.Low != 0 || v.High != 0
	}
	return (*c.ints)[i] != 0
}

// at returns what some moments add.
func (c denseColumn) at(row int, moments []int32) cells {
	out, begin := cells{kind: c.kind}, c.begin(row)
	for _, m := range moments {
		if i := begin + int(m); c.kind == decimals {
			v := (*c.decs)[i]
			out.decs = append(out.decs, event.Decimal{Lo: v.Low, Hi: int64(v.High)})
		} else {
			out.ints = append(out.ints, (*c.ints)[i])
		}
	}
	return out
}
