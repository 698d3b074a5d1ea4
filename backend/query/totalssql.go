package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// totals plans the statement and renders its inner part: rows of ts, dimensions and measures.
func (r *run) totals(q *question, b *binder, at []int64) (from string, levels []string) {
	source := q.sources[0]
	if source == metric.SourceRunning {
		return q.runningChanges(b, at)
	}
	src := rollupSources[source]
	unsettled := readable(r.pending[src.kind], q.period(), q.byUser(source), r.e.limits.Unsettled)
	if unsettled == nil {
		r.stale = max(r.stale, r.pending.within(src.kind, q.period()))
	}
	segments := coverTotals(q.period(), at, q.byUser(source), unsettled)
	var measures []string
	for _, n := range q.aggregates(source) {
		for _, m := range src.aggregates[n].measures {
			if !slices.Contains(measures, m) {
				measures = append(measures, m)
			}
		}
	}
	branches, levels := q.branches(b, src, segments, measures)
	if len(branches) == 0 { // nothing is known yet: the horizon is empty
		branches, _ = q.branches(b, src, []segment{{levelDay, []span{{0, 0}}}}, measures)
	}
	return union(branches), levels
}

// oneBranch is how long a horizon is, in milliseconds, of which minutes alone are read: a
// branch of coarser rollups takes longer than they do.
const oneBranch = 3_600_000

// coverTotals covers the horizon with the coarsest rollups whose buckets do not
// contain a moment. Before the first moment and after the last any will do. Between
// moments that are equally far from each other it is one width for all, the widest that
// all moments are multiples of; others have each gap covered on its own.
func coverTotals(horizon span, at []int64, users bool, unsettled []int64) []segment {
	all := func(int64) bool { return true }
	if !users && horizon.to-horizon.from <= oneBranch {
		all = func(width int64) bool { return width == Minute.width() }
	}
	if len(at) == 0 {
		return cover([]span{horizon}, users, unsettled, all)
	}
	first, last := at[0]*1000, at[len(at)-1]*1000
	outside := slices.DeleteFunc([]span{{horizon.from, first}, {last, horizon.to}}, func(s span) bool { return s.from >= s.to })
	var parts []segment
	if len(outside) > 0 {
		parts = cover(outside, users, unsettled, all)
	}
	_, even := spacing(at)
	switch {
	case first == last:
	case even:
		parts = append(parts, cover([]span{{first, last}}, users, unsettled, func(width int64) bool {
			return !slices.ContainsFunc(at, func(t int64) bool { return t%width != 0 })
		})...)
	default:
		gaps := make([]span, len(at)-1)
		for i := range gaps {
			gaps[i] = span{at[i] * 1000, at[i+1] * 1000}
		}
		parts = append(parts, cover(gaps, users, unsettled, all)...)
	}
	var out []segment
	for _, l := range []level{levelDay, levelQuarter, levelMinute, levelDayUser, levelQuarterUser, levelRaw} {
		var spans []span
		for _, p := range parts {
			if p.level == l {
				spans = append(spans, p.spans...)
			}
		}
		if len(spans) > 0 {
			out = append(out, segment{l, join(spans)})
		}
	}
	return out
}

// step renders which moment an event at ts counts at: the first that is later than ts.
// Of moments that are equally far from each other it is the index of that moment. Of
// others it is the moment before, which roundDown finds by bisection, whereas
// looking up its index would go through the list in every row; totalsGroups finds it.
func (b *binder) step(at []int64) string {
	if len(at) == 0 {
		return "toInt64(0)"
	}
	first := b.bind(at[0], "Int64")
	if width, ok := spacing(at); ok {
		return fmt.Sprintf("if(ts < %s, 0, least(%s, intDiv(ts - %s, %s) + 1))", first, b.bind(int64(len(at)), "Int64"), first, b.bind(width, "Int64"))
	}
	return fmt.Sprintf("if(ts < %s, %s - 1, roundDown(ts, %s))", first, first, b.bind(at, "Array(Int64)"))
}

// stepOf turns what step renders into an index: there are as many moments up to the
// event as come before the one that it counts at.
func stepOf(at []int64) func(label int64) int32 {
	if _, ok := spacing(at); ok {
		return func(label int64) int32 { return int32(label) }
	}
	return func(label int64) int32 {
		i, found := slices.BinarySearch(at, label)
		if found {
			i++
		}
		return int32(i)
	}
}

// spacing returns the distance of moments, if it is one.
func spacing(at []int64) (int64, bool) {
	if len(at) < 2 {
		return 60, true
	}
	width := at[1] - at[0]
	for i := range at[1:] {
		if at[i+1]-at[i] != width {
			return 0, false
		}
	}
	return width, true
}

// stepped renders the outer part. Rows in which nothing is counted, such as those of
// executions that only started where ended ones are asked for, are no group.
func (q *question) stepped(b *binder, from string, levels []string, at []int64, most int) statement {
	s := q.sources[0]
	names := q.aggregates(s)
	st := statement{source: s, params: b.params, bucketed: true, dims: q.dims, aggregates: names, levels: levels, most: most}
	columns := []string{b.step(at) + " AS t"}
	keys := []string{}
	for _, d := range q.dims {
		columns = append(columns, dimensionAlias(d))
		keys = append(keys, dimensionAlias(d))
	}
	keys = append(keys, "t")
	aggregates := aggregatesOf(s)
	var counted []string
	for _, n := range names {
		columns = append(columns, aggregates[n].rendered()+" AS "+column(n))
		if aggregates[n].kind == histograms {
			counted = append(counted, "notEmpty("+column(n)+")")
		} else {
			counted = append(counted, column(n)+" != 0")
		}
	}
	st.sql = fmt.Sprintf("SELECT %s\nFROM %s\nGROUP BY %s\nHAVING %s\nORDER BY %s\nLIMIT %d",
		strings.Join(columns, ", "), from, strings.Join(keys, ", "), strings.Join(counted, " OR "), strings.Join(keys, ", "), most+1)
	if slices.Contains(levels, string(levelRaw)) || s == metric.SourceRunning {
		st.sql += "\nSETTINGS do_not_merge_across_partitions_select_final = 1"
	}
	return st
}

// runningChanges renders starts and ends of what runs at a whole minute between the
// first and the last moment: one who looks at whole minutes does not see the others.
// Who runs at T has started by T; ts is looked up a millisecond early for that.
func (q *question) runningChanges(b *binder, at []int64) (from string, levels []string) {
	src := plainSources[metric.SourceRunning]
	first, last := q.from.UnixMilli(), q.to.UnixMilli()
	if len(at) > 0 {
		first, last = at[0]*1000, at[len(at)-1]*1000
	}
	var columns []string
	for _, d := range q.dims {
		columns = append(columns, text(b.dimension(src.dimensions, d))+" AS "+dimensionAlias(d))
	}
	columns = append(columns, "intDiv(change.1 - 1, 1000) AS ts", "change.2 AS delta")
	seen := fmt.Sprintf("greatest(intDiv(toUnixTimestamp64Milli(started_at) + 59999, 60000) * 60000, %s)", b.bind(first, "Int64"))
	return fmt.Sprintf(`(
    SELECT %s
    FROM (
        SELECT * FROM execution_spans FINAL
        WHERE tenant = {tenant:String} AND started_at <= %s AND ended_at > %s
    ) AS r
    ARRAY JOIN [(toUnixTimestamp64Milli(started_at), toInt64(1)), (toUnixTimestamp64Milli(ended_at), toInt64(-1))] AS change
    WHERE %s < toUnixTimestamp64Milli(ended_at) AND %s <= %s%s
)`, strings.Join(columns, ", "), b.millis(last), b.millis(first), seen, seen, b.bind(last, "Int64"), q.conditions(b, src.dimensions)), []string{src.label}
}
