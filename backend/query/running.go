package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// running renders the executions that run at the end of each bucket. With a
// granularity the database gives changes, not states: a span adds one in the
// first bucket at whose end it has started and takes it off in the first at
// whose end it is over. accumulate adds them up. Both moments are looked up a
// millisecond early, because a bucket's end is the next one's beginning.
func (q *question) running(cal *calendar, o ordering) statement {
	src := plainSources[metric.SourceRunning]
	b := newBinder(q.scope)
	at := q.stateTime().UnixMilli()
	names := q.aggregates(metric.SourceRunning)
	columns := make([]string, 0, 2+len(q.dims))
	for _, d := range q.dims {
		columns = append(columns, text(b.dimension(src.dimensions, d))+" AS "+dimensionAlias(d))
	}
	levels := []string{src.label}
	if q.granularity == Whole {
		from := fmt.Sprintf(`(
    SELECT %s
    FROM %s AS r
    WHERE 1%s
)`, strings.Join(append(columns, "toInt64(1) AS delta"), ", "), b.spans(b.millis(at), b.millis(at)), q.conditions(b, src.dimensions))
		return q.grouped(b, metric.SourceRunning, names, levels, from, cal, o)
	}
	// A period that lies ahead shows what runs now, as its bucket does.
	from := b.bind(min(q.from.UnixMilli(), at), "Int64")
	moment := func(column string) string {
		return fmt.Sprintf("intDiv(greatest(toUnixTimestamp64Milli(%s) - 1, %s), 1000)", column, from)
	}
	columns = append(columns, "change.1 AS ts", "change.2 AS delta")
	sql := fmt.Sprintf(`(
    SELECT %s
    FROM %s AS r
    ARRAY JOIN if(ended_at <= %s, [(%s, toInt64(1)), (%s, toInt64(-1))], [(%s, toInt64(1))]) AS change
    WHERE 1%s
)`, strings.Join(columns, ", "), b.spans("fromUnixTimestamp64Milli("+from+", 'UTC')", b.millis(at)), b.millis(at), moment("started_at"), moment("ended_at"), moment("started_at"), q.conditions(b, src.dimensions))
	return q.grouped(b, metric.SourceRunning, names, levels, sql, cal, o)
}

// stateTime is the moment of a gauge over the whole period.
func (q *question) stateTime() time.Time {
	if q.now.Before(q.to) {
		return q.now
	}
	return q.to
}

// accumulate turns changes into states: each group has a row for every bucket
// from its first on, the answer without dimensions from the period's first on.
// Buckets that have not begun have none.
func (q *question) accumulate(t *table, cal *calendar, most int) (*table, error) {
	var labels []int64
	for _, l := range cal.labels() {
		if cal.start(l) < q.now.Unix() {
			labels = append(labels, l)
		}
	}
	out := &table{source: t.source, names: t.names, dims: make([][]string, len(q.dims)), cells: []cells{{kind: integers}}}
	emit := func(label int64, row int, state int64) {
		out.labels = append(out.labels, label)
		for d := range out.dims {
			out.dims[d] = append(out.dims[d], t.dims[d][row])
		}
		out.cells[0].ints = append(out.cells[0].ints, state)
		out.rows++
	}
	order := make([]int, t.rows)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return t.compareDims(a, b) }) // Within a group by time, as read.
	if len(q.dims) == 0 && t.rows == 0 {
		for _, l := range labels {
			emit(l, 0, 0)
		}
		return out, nil
	}
	for i := 0; i < len(order); {
		group, state := order[i], int64(0)
		started := len(q.dims) == 0
		for _, l := range labels {
			for i < len(order) && t.compareDims(order[i], group) == 0 && t.labels[order[i]] <= l {
				state += t.cells[0].ints[order[i]]
				started = true
				i++
			}
			if started {
				emit(l, group, state)
			}
			if out.rows > most {
				return nil, tooManyRows(most)
			}
		}
		for i < len(order) && t.compareDims(order[i], group) == 0 {
			i++
		}
	}
	out.sort()
	return out, nil
}
