package query

import (
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// letters renders how many dead letters there are, by what became of them and the
// minute in which they were received. Scope needs no clause: check lets
// administrators only ask for them.
func (q *question) letters(cal *calendar, o ordering) statement {
	src := plainSources[metric.SourceDeadLetters]
	b := newBinder(q.scope)
	columns := []string{"toInt64(intDiv(version, 1000000)) AS ts"}
	for _, d := range q.dims {
		columns = append(columns, fmt.Sprintf("CAST(%s, 'String') AS %s", src.dimensions[d], dimensionAlias(d)))
	}
	from := fmt.Sprintf(`(
    SELECT %s
    FROM %s AS r
    WHERE 1%s
)`, strings.Join(columns, ", "), b.letters(q.receipt()), q.conditions(b, src.dimensions))
	return q.grouped(b, metric.SourceDeadLetters, q.aggregates(metric.SourceDeadLetters), []string{src.label}, from, cal, o)
}

// letters is a subquery of the dead letters that were received in a period. The
// version is part of the key, hence it may be restricted before FINAL.
func (b *binder) letters(period span) string {
	return fmt.Sprintf("(SELECT version, source, kind, code, state FROM dead_letters FINAL WHERE tenant = {tenant:String} AND version >= %s AND version < %s)",
		b.bind(uint64(period.from)*1000, "UInt64"), b.bind(uint64(period.to)*1000, "UInt64"))
}
