package query

import (
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// conflicts renders the executions with more than one end. One belongs to the time
// of its last end, which may be far from the others; all of its ends are found by
// its id. Ends that a correction has moved away do not stand and are none.
func (q *question) conflicts(cal *calendar, o ordering) statement {
	src := plainSources[metric.SourceConflicts]
	b := newBinder(q.scope)
	columns := []string{"intDiv(ends[-1], 1000) AS ts"}
	for _, d := range q.dims {
		columns = append(columns, b.dimension(src.dimensions, d)+" AS "+dimensionAlias(d))
	}
	columns = append(columns, "length(ends) - 1 AS m_conflicts", "ends[-1] - ends[1] AS m_span")
	from := fmt.Sprintf(`(
    SELECT %s
    FROM %s AS r
    WHERE 1%s
)`, strings.Join(columns, ", "), q.conflicting(b), q.conditions(b, src.dimensions))
	return q.grouped(b, metric.SourceConflicts, q.aggregates(metric.SourceConflicts), []string{src.label}, from, cal, o)
}

// conflicting is a subquery of the executions whose last of several ends lies in
// the period, with the times of all ends in order.
func (q *question) conflicting(b *binder) string {
	return fmt.Sprintf(`(
        SELECT
            tenant, id,
            argMax(workflow_id, time) AS workflow_id,
            argMax(user_id, time) AS user_id,
            arraySort(groupArray(toUnixTimestamp64Milli(time))) AS ends
        FROM %s
        GROUP BY tenant, id
        HAVING length(ends) > 1 AND ends[-1] >= %s AND ends[-1] < %s
    )`, b.executionsByID("phase = 'terminal' AND id IN (SELECT id FROM executions WHERE tenant = {tenant:String} AND phase = 'terminal' AND "+
		within("time", []span{q.period()}, b.millis)+")", "phase = 'terminal'"), b.bind(q.from.UnixMilli(), "Int64"), b.bind(q.to.UnixMilli(), "Int64"))
}
