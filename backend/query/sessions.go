package query

import (
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/metric"
)

const (
	// sessionGap separates two sessions of a user whose actions have no session id.
	sessionGap = 30 * 60 * 1000
	// sessionMost is how long a session is followed, and the gap that separates
	// two uses of one session id. Because neither depends on anything farther
	// away, what starts in a period is known from a day around it, and the
	// sessions of a period's parts add up to those of the whole.
	sessionMost = 24 * 60 * 60 * 1000
)

// sessionStart is the second at which a session starts.
const sessionStart = "intDiv(first, 1000)"

// sessions renders sessions by the moment at which they start.
func (q *question) sessions(cal *calendar, o ordering) statement {
	src := plainSources[metric.SourceSessions]
	b := newBinder(q.scope)
	columns, dimensions := []string{sessionStart + " AS ts"}, q.timed(src.dimensions, sessionStart)
	for _, d := range q.dims {
		columns = append(columns, b.dimension(dimensions, d)+" AS "+dimensionAlias(d))
	}
	from := q.sessionRows(b, strings.Join(columns, ", ")+", last.1 - first + last.2 AS active", "(toUnixTimestamp64Milli(time), duration_ms)")
	return q.grouped(b, metric.SourceSessions, q.aggregates(metric.SourceSessions), []string{src.label}, from, cal, o)
}

// sessionRows is a subquery of the sessions that start in the period. columns are
// over user_id, session_id, first (when it starts), last (its last action) and
// session (all of its actions); an action is a tuple that begins with its time and
// duration, in milliseconds.
func (q *question) sessionRows(b *binder, columns, action string) string {
	src := plainSources[metric.SourceSessions]
	read := []span{{max(0, q.from.UnixMilli()-sessionMost), q.to.UnixMilli() + sessionMost}}
	rows, starts := q.split()
	return fmt.Sprintf(`(
    SELECT %s
    FROM (
        SELECT
            user_id, session_id,
            arrayJoin(arraySplit((e, i) -> i > 1 AND e.1 - actions[i - 1].1 > gap, actions, arrayEnumerate(actions))) AS session,
            session[1].1 AS first,
            arrayLast(e -> e.1 <= first + %d, session) AS last
        FROM (
            SELECT
                user_id, session_id,
                if(session_id = '', %d, %d) AS gap,
                arraySort(groupArray(%s)) AS actions
            FROM %s AS r
            WHERE 1%s
            GROUP BY user_id, session_id
        )
    )
    WHERE first >= %s AND first < %s%s
)`, columns, sessionMost, sessionGap, sessionMost, action,
		b.rows("activity", "tenant = {tenant:String} AND "+within("time", read, b.millis), ""), rows.conditions(b, src.dimensions),
		b.bind(q.from.UnixMilli(), "Int64"), b.bind(q.to.UnixMilli(), "Int64"), starts.conditions(b, q.timed(src.dimensions, sessionStart)))
}
