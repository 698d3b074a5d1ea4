package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
)

// read runs a statement and returns its rows.
func (e *Engine) read(ctx context.Context, st statement) (*table, uint64, error) {
	t := &table{source: st.source, names: st.aggregates, dims: make([][]string, len(st.dims)), cells: make([]cells, len(st.aggregates))}
	var (
		results proto.Results
		readers []func(rows int)
		label   proto.ColInt64
		done    uint64
	)
	if st.bucketed {
		results = append(results, proto.ResultColumn{Name: "t", Data: &label})
		readers = append(readers, func(int) { t.labels = append(t.labels, label...) })
	}
	for i, d := range st.dims {
		col := new(proto.ColStr)
		results = append(results, proto.ResultColumn{Name: dimensionAlias(d), Data: col})
		known := interner{}
		readers = append(readers, func(rows int) {
			t.dims[i] = slices.Grow(t.dims[i], rows)
			for row := range rows {
				t.dims[i] = append(t.dims[i], known.text(col.RowBytes(row)))
			}
		})
	}
	aggregates := aggregatesOf(st.source)
	for i, name := range st.aggregates {
		t.cells[i].kind = aggregates[name].kind
		col, reader := cellReader(&t.cells[i], aggregates[name])
		results = append(results, proto.ResultColumn{Name: column(name), Data: col})
		readers = append(readers, reader)
	}
	err := e.client.Do(ctx, clickhouse.Query{
		SQL:      st.sql,
		Params:   st.params,
		Settings: e.settings(),
		Result:   results,
		OnResult: func(_ context.Context, block proto.Block) error {
			for _, r := range readers {
				r(block.Rows)
			}
			t.grow(block.Rows)
			if st.most > 0 && t.size > st.most {
				return errTooLarge
			}
			return nil
		},
		OnProgress: func(_ context.Context, p proto.Progress) error {
			done += p.Rows
			return nil
		},
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", st.source, err)
	}
	return t, done, nil
}

// errTooLarge says that an answer has more than its statement's most.
var errTooLarge = errors.New("the answer is too large")

// grow counts rows that were appended.
func (t *table) grow(rows int) {
	for i := range t.cells {
		t.size += rows
		if t.cells[i].kind == histograms {
			for _, h := range t.cells[i].hists[t.rows:] {
				t.size += len(h.buckets)
			}
		}
	}
	t.rows += rows
}

// settings apply to every statement: the server stops what its caller has given up, and
// what was unpacked for one question is kept for the next, in as much memory as the server's
// uncompressed_cache_size gives. It is for questions of up to a million rows
// (merge_tree_max_rows_to_use_cache), so that no long one takes it all.
func (e *Engine) settings() map[string]string {
	return map[string]string{
		"max_execution_time":     strconv.Itoa(max(1, int(e.limits.Timeout.Seconds()))),
		"use_uncompressed_cache": "1",
	}
}

// interner makes one string of equal values: a dimension repeats in every bucket.
type interner map[string]string

func (n interner) text(b []byte) string {
	if s, ok := n[string(b)]; ok {
		return s
	}
	s := string(b)
	n[s] = s
	return s
}

// cellReader returns the typed column of an aggregate, and what takes a block of
// it over.
func cellReader(c *cells, a aggregate) (proto.ColResult, func(rows int)) {
	switch a.kind {
	case decimals:
		col := new(proto.ColDecimal128)
		return col, func(rows int) {
			c.decs = slices.Grow(c.decs, rows)
			for _, v := range *col {
				c.decs = append(c.decs, event.Decimal{Lo: v.Low, Hi: int64(v.High)})
			}
		}
	case histograms:
		keys, counts := new(proto.ColInt16), new(proto.ColUInt64)
		col := proto.NewMap[int16, uint64](keys, counts)
		return col, func(rows int) {
			// The columns are used again for the next block.
			buckets, values := slices.Clone(*keys), slices.Clone(*counts)
			c.hists = slices.Grow(c.hists, rows)
			start := 0
			for row := range rows {
				end := int(col.Offsets[row])
				c.hists = append(c.hists, durationHistogram{buckets: buckets[start:end], counts: values[start:end]})
				start = end
			}
		}
	}
	col := new(proto.ColInt64)
	return col, func(int) { c.ints = append(c.ints, *col...) }
}
