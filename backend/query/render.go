package query

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// statement is SQL with its bound values and what its columns are: the bucket's
// label (with a granularity), the dimensions, the aggregates.
type statement struct {
	source     metric.Source
	sql        string
	params     map[string]any
	bucketed   bool
	dims       []string
	aggregates []string
	levels     []string
	most       int // of a table's size; 0 is no bound
}

// binder collects the values of a statement.
type binder struct {
	params map[string]any
	teams  *teamSets
	team   string // the rendered dimension, once it was needed
	asOf   int64  // as in scope
}

func newBinder(s scope) *binder {
	return &binder{params: map[string]any{"tenant": s.tenant}, teams: s.teams, asOf: s.asOf}
}

// bind returns a value's placeholder. What callers sent reaches a statement in
// this way only.
func (b *binder) bind(value any, kind string) string {
	name := "p" + strconv.Itoa(len(b.params)-1)
	b.params[name] = value
	return "{" + name + ":" + kind + "}"
}

func (b *binder) seconds(ms int64) string {
	return "toDateTime(" + b.bind(ms/1000, "Int64") + ", 'UTC')"
}

func (b *binder) millis(ms int64) string {
	return "fromUnixTimestamp64Milli(" + b.bind(ms, "Int64") + ", 'UTC')"
}

// within restricts a time column to spans.
func within(column string, spans []span, instant func(int64) string) string {
	parts := make([]string, len(spans))
	for i, s := range spans {
		parts[i] = fmt.Sprintf("%s >= %s AND %s < %s", column, instant(s.from), column, instant(s.to))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// dimension renders a dimension's column, or the member of metadata that it is:
// text as it is, anything else as its JSON.
func (b *binder) dimension(columns map[string]string, name string) string {
	if name == metric.Team {
		return b.teamsOf(columns[metric.User])
	}
	key, ok := metric.MetadataKey(name)
	if !ok {
		return columns[name]
	}
	bound := b.bind(key, "String")
	return "if(JSONType(metadata, " + bound + ") = 'String', JSONExtractString(metadata, " + bound + "), JSONExtractRaw(metadata, " + bound + "))"
}

// conditions renders scope, filters and the groups that the answer is
// restricted to, each as a clause that begins with AND.
func (q *question) conditions(b *binder, columns map[string]string) string {
	var out strings.Builder
	if !q.scope.all {
		out.WriteString(" AND user_id IN " + b.bind(q.scope.users, "Array(String)"))
	}
	for _, f := range q.filters {
		operator := " IN "
		if f.not {
			operator = " NOT IN "
		}
		out.WriteString(" AND " + b.dimension(columns, f.dimension) + operator)
		if f.numbers != nil {
			out.WriteString(b.bind(f.numbers, "Array(Int64)"))
		} else {
			out.WriteString(b.bind(f.values, "Array(String)"))
		}
	}
	if g := q.groups; g != nil && !slices.Contains(g.dims, metric.Team) {
		left, right := make([]string, len(g.dims)), make([]string, len(g.dims))
		for i, dim := range g.dims {
			left[i] = text(b.dimension(columns, dim))
			right[i] = b.bind(g.values[i], "Array(String)")
		}
		out.WriteString(" AND " + among(left, right))
	}
	return out.String()
}

// among renders that columns are together in arrays.
func among(left, right []string) string {
	if len(left) == 1 {
		return left[0] + " IN " + right[0]
	}
	return fmt.Sprintf("(%s) IN (SELECT arrayJoin(arrayZip(%s)))", strings.Join(left, ", "), strings.Join(right, ", "))
}

// text renders a dimension's column as a string.
func text(column string) string {
	if column == versionColumn {
		return "toString(" + column + ")"
	}
	return column
}

// rollups renders the statement of a source that has rollups.
func (q *question) rollups(s metric.Source, segments []segment, cal *calendar, o ordering) statement {
	src := rollupSources[s]
	names := q.aggregates(s)
	var measures []string // columns of the branches that are no dimension
	for _, n := range names {
		for _, m := range src.aggregates[n].measures {
			if !slices.Contains(measures, m) {
				measures = append(measures, m)
			}
		}
	}
	b := newBinder(q.scope)
	branches, levels := q.branches(b, src, segments, measures)
	return q.grouped(b, s, names, levels, union(branches), cal, o)
}

// branches renders what a plan reads, of rollups and of raw rows, and names the levels.
func (q *question) branches(b *binder, src rollupSource, segments []segment, measures []string) (branches, levels []string) {
	var buckets []segment // of rollups
	for _, seg := range segments {
		levels = append(levels, string(seg.level))
		if seg.level != levelRaw {
			buckets = append(buckets, seg)
		}
	}
	if len(buckets) > 0 {
		columns := q.branchColumns(b, bucketSeconds, q.timed(src.dimensions, bucketSeconds), measures, nil)
		branches = append(branches, q.rollupBranches(b, src, buckets, columns, measures)...)
	}
	if n := len(segments); n > 0 && segments[n-1].level == levelRaw {
		branches = append(branches, q.rawBranch(b, src, segments[n-1], measures))
	}
	return branches, levels
}

func union(branches []string) string {
	return "(\n" + strings.Join(branches, "\n    UNION ALL\n") + "\n)"
}

// current renders the rows of a table of rollups that count: those of the version that
// their bucket has now. One branch reads all levels, because most of the time of
// a statement that reads a few thousand rows goes into analysing its branches. identity
// keeps versions out of that: they lead to no fewer granules than levels and buckets do, and
// to look for thousands of them in the index takes as long as to read ten thousand rows.
func (q *question) current(b *binder, src rollupSource, table, kept string, segments []segment, columns string) string {
	where := b.buckets(segments)
	return fmt.Sprintf(`    SELECT %s
    FROM %s
    WHERE tenant = {tenant:String} AND %s%s%s
      AND identity((level, bucket, version) IN (
        SELECT level, bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = '%s' AND %s
        GROUP BY level, bucket
      ))`,
		columns, table, kept, where, q.conditions(b, q.timed(src.dimensions, bucketSeconds)), src.kind, where)
}

// fewSpans is how many spans a statement tests one by one.
const fewSpans = 16

// buckets restricts levels and buckets to segments. Buckets of many spans are looked up
// in a set, from which ClickHouse also finds the granules to read.
func (b *binder) buckets(segments []segment) string {
	parts := make([]string, len(segments))
	for i, seg := range segments {
		parts[i] = fmt.Sprintf("level = '%s' AND %s", seg.level, b.bucketsOf(seg))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

func (b *binder) bucketsOf(seg segment) string {
	if len(seg.spans) <= fewSpans {
		return within("bucket", seg.spans, b.seconds)
	}
	from, to := make([]int64, len(seg.spans)), make([]int64, len(seg.spans))
	for i, s := range seg.spans {
		from[i], to[i] = s.from/1000, s.to/1000
	}
	return fmt.Sprintf("bucket IN (SELECT toDateTime(arrayJoin(arrayFlatten(arrayMap((f, t) -> range(f, t, %d), %s, %s))), 'UTC'))",
		seg.level.width(), b.bind(from, "Array(Int64)"), b.bind(to, "Array(Int64)"))
}

func (q *question) rawBranch(b *binder, src rollupSource, seg segment, measures []string) string {
	where := "tenant = {tenant:String} AND " + within("time", seg.spans, b.millis)
	return fmt.Sprintf(`    SELECT %s
    FROM %s AS r
    WHERE 1%s`,
		q.branchColumns(b, rawSeconds, q.timed(src.columns(), rawSeconds), measures, src.measures),
		src.raw(b, where), q.conditions(b, q.timed(src.columns(), rawSeconds)))
}

// branchColumns lists what a branch yields. Every name has a prefix, d_ for a
// dimension and m_ for a measure: an alias that equals a column would hide it
// from the other expressions.
func (q *question) branchColumns(b *binder, ts string, dimensions map[string]string, measures []string, expressions map[string]string) string {
	columns := make([]string, 0, 1+len(q.dims)+len(measures))
	if q.granularity != Whole {
		columns = append(columns, ts+" AS ts")
	}
	for _, d := range q.dims {
		value := b.dimension(dimensions, d)
		if !q.numbers {
			value = text(value)
		}
		columns = append(columns, value+" AS "+dimensionAlias(d))
	}
	for _, m := range measures {
		e, ok := expressions[m]
		if !ok {
			e = m
		}
		columns = append(columns, e+" AS m_"+m)
	}
	if len(columns) == 0 {
		return "1"
	}
	return strings.Join(columns, ", ")
}

// dimensionAlias names a dimension's column. A member of metadata has a name that
// a caller wrote: only its digits reach the statement.
func dimensionAlias(name string) string {
	if _, ok := metric.MetadataKey(name); ok {
		return "d_" + hex.EncodeToString([]byte(name))
	}
	return "d_" + name
}

// ordering says how a statement's rows are ordered and cut.
type ordering struct {
	by         string // SQL over the aggregates, or "": by bucket and dimensions
	descending bool
	limit      int
}

// grouped renders the outer part that all sources share. from yields ts, the
// dimensions and the measures of the aggregates.
func (q *question) grouped(b *binder, s metric.Source, names, levels []string, from string, cal *calendar, o ordering) statement {
	st := statement{source: s, params: b.params, bucketed: q.granularity != Whole, dims: q.dims, aggregates: names, levels: levels}
	var columns, keys []string
	if st.bucketed {
		columns = append(columns, cal.sql("ts")+" AS t")
		keys = append(keys, "t")
	}
	for _, d := range q.dims {
		columns = append(columns, dimensionAlias(d))
		keys = append(keys, dimensionAlias(d))
	}
	aggregates := aggregatesOf(s)
	for _, n := range names {
		columns = append(columns, aggregates[n].rendered()+" AS "+column(n))
	}
	var out strings.Builder
	fmt.Fprintf(&out, "SELECT %s\nFROM %s", strings.Join(columns, ", "), from)
	if g := q.groups; g != nil && slices.Contains(g.dims, metric.Team) {
		// A row is in as many groups as its user has teams: only here are they apart.
		left, right := make([]string, len(g.dims)), make([]string, len(g.dims))
		for i, dim := range g.dims {
			left[i], right[i] = dimensionAlias(dim), b.bind(g.values[i], "Array(String)")
		}
		out.WriteString("\nWHERE " + among(left, right))
	}
	if len(keys) > 0 {
		fmt.Fprintf(&out, "\nGROUP BY %s\nORDER BY %s\nLIMIT %d", strings.Join(keys, ", "), o.render(keys), o.limit)
	}
	if slices.Contains(levels, string(levelRaw)) || slices.Contains(levels, "spans") {
		// The key decides the partition, so a row's versions are in one.
		out.WriteString("\nSETTINGS do_not_merge_across_partitions_select_final = 1")
	}
	st.sql = out.String()
	return st
}

// rendered gives all counts one type.
func (a aggregate) rendered() string {
	if a.kind == integers {
		return "toInt64(" + a.sql + ")"
	}
	return a.sql
}

func (o ordering) render(keys []string) string {
	if o.by == "" {
		return strings.Join(keys, ", ")
	}
	direction := "ASC"
	if o.descending {
		direction = "DESC"
	}
	return o.by + " " + direction + " NULLS LAST, " + strings.Join(keys, ", ")
}
