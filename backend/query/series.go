package query

import (
	"context"
	"slices"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// fewRows is how many rows a statement may give when all groups of a question
// are read although only the top of them are wanted.
const fewRows = 20_000

// series gives the buckets of the top groups over the whole period. Where few
// groups are to be expected one statement reads all of them and the top are
// found here; else one finds the top and another reads their buckets.
func (r *run) series(ctx context.Context, q *question, limit int) (*answer, bool, error) {
	top := q.overall(limit)
	if q.limit > 0 && q.fewGroups() && top.mergeable() {
		a, truncated, err := r.seriesOfAll(ctx, q, top)
		if err != nil || a != nil {
			return a, truncated, err
		}
	}
	return r.seriesOfTop(ctx, q, top)
}

func (r *run) seriesOfTop(ctx context.Context, q, top *question) (*answer, bool, error) {
	first, truncated, err := r.whole(ctx, top)
	if err != nil {
		return nil, false, err
	}
	restricted := *q
	restricted.groups = first.groups(sequence(first.rows))
	a, err := r.all(ctx, &restricted, q.sources)
	if err == nil && a.rows > r.e.limits.Rows {
		err = tooManyRows(r.e.limits.Rows)
	}
	return a, truncated, err
}

// seriesOfAll reads the buckets of all groups and keeps those of the top. Too many
// groups are no answer.
func (r *run) seriesOfAll(ctx context.Context, q, top *question) (*answer, bool, error) {
	most := min(fewRows, r.e.limits.Rows)
	t, err := r.source(ctx, q, q.sources[0], ordering{limit: most + 1})
	if err != nil || t.rows > most {
		return nil, false, err
	}
	groups := top.join([]*table{t.merged(top.aggregates(t.source))})
	first := groups.top(top.limit)
	kept := make(map[string]bool, first.rows)
	var key []byte
	for row := range first.rows {
		key = appendDims(key[:0], first.dims, row)
		kept[string(key)] = true
	}
	var rows []int
	for row := range t.rows {
		key = appendDims(key[:0], t.dims, row)
		if kept[string(key)] {
			rows = append(rows, row)
		}
	}
	return q.join([]*table{t.pick(rows)}), groups.rows > top.limit, nil
}

// overall is the question that ranks a question's groups: the metric that they
// are ordered by, over the whole period.
func (q *question) overall(limit int) *question {
	top := *q
	top.granularity, top.limit = Whole, limit
	if top.order < 0 {
		top.order, top.descending = 0, true
	}
	top.metrics, top.formulas = q.metrics[top.order:top.order+1], q.formulas[top.order:top.order+1]
	top.sources, top.order = top.metrics[0].Sources, 0
	return &top
}

var (
	// kinds are dimensions that name kinds of things, of which there are few.
	kinds = []string{
		metric.TriggerType, metric.ErrorType, metric.StepType, metric.ActionType,
		metric.Action, metric.Resource, metric.EventSource, metric.EventKind, metric.RejectCode, metric.DeadLetterState,
		metric.HourOfDay, metric.Weekday,
	}
	// parts are what a workflow is made of: few of one, many of all.
	parts = []string{metric.Workflow, metric.Version, metric.Step}
)

// fewGroups reports whether a question of one source is likely to have few
// groups: of kinds, or of what a handful of workflows are made of. Being wrong
// costs a statement, not the answer.
func (q *question) fewGroups() bool {
	ofSome := slices.ContainsFunc(q.filters, func(c condition) bool {
		return c.dimension == metric.Workflow && !c.not && len(c.values) <= 10
	})
	for _, d := range q.dims {
		if !slices.Contains(kinds, d) && (!ofSome || !slices.Contains(parts, d)) {
			return false
		}
	}
	return len(q.sources) == 1
}

// mergeable reports whether the aggregates of the whole period follow from those of
// its buckets. Distinct counts and states do not.
func (q *question) mergeable() bool {
	aggregates := aggregatesOf(q.sources[0])
	return len(q.sources) == 1 && !slices.ContainsFunc(q.aggregates(q.sources[0]), func(name string) bool { return aggregates[name].merge == apart })
}

// merged makes one row of each group's buckets, with the aggregates named.
func (t *table) merged(names []string) *table {
	out := &table{source: t.source, names: names, dims: make([][]string, len(t.dims)), cells: make([]cells, len(names))}
	aggregates := aggregatesOf(t.source)
	index := map[string]int{}
	var key []byte
	for row := range t.rows {
		key = appendDims(key[:0], t.dims, row)
		at, ok := index[string(key)]
		if !ok {
			at = out.rows
			index[string(key)] = at
			out.rows++
			for d := range t.dims {
				out.dims[d] = append(out.dims[d], t.dims[d][row])
			}
		}
		for i, name := range names {
			out.cells[i].add(at, t.cells[slices.Index(t.names, name)], row, aggregates[name].merge)
		}
	}
	return out
}

// add merges another column's row into row at, which is appended when it is new.
func (c *cells) add(at int, from cells, row int, how merge) {
	c.kind = from.kind
	switch c.kind {
	case decimals:
		if at == len(c.decs) {
			c.decs = append(c.decs, from.decs[row])
			return
		}
		c.decs[at] = c.decs[at].Add(from.decs[row])
	case histograms:
		if at == len(c.hists) {
			c.hists = append(c.hists, from.hists[row])
			return
		}
		c.hists[at] = c.hists[at].add(from.hists[row])
	default:
		switch {
		case at == len(c.ints):
			c.ints = append(c.ints, from.ints[row])
		case how == greatest:
			c.ints[at] = max(c.ints[at], from.ints[row])
		default:
			c.ints[at] += from.ints[row]
		}
	}
}

// add returns the sum of two histograms.
func (h durationHistogram) add(o durationHistogram) durationHistogram {
	out := durationHistogram{buckets: make([]int16, 0, len(h.buckets)+len(o.buckets)), counts: make([]uint64, 0, len(h.buckets)+len(o.buckets))}
	for i, j := 0, 0; i < len(h.buckets) || j < len(o.buckets); {
		switch {
		case j == len(o.buckets) || i < len(h.buckets) && h.buckets[i] < o.buckets[j]:
			out.buckets, out.counts = append(out.buckets, h.buckets[i]), append(out.counts, h.counts[i])
			i++
		case i == len(h.buckets) || o.buckets[j] < h.buckets[i]:
			out.buckets, out.counts = append(out.buckets, o.buckets[j]), append(out.counts, o.counts[j])
			j++
		default:
			out.buckets, out.counts = append(out.buckets, h.buckets[i]), append(out.counts, h.counts[i]+o.counts[j])
			i, j = i+1, j+1
		}
	}
	return out
}
