package query

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/criticalpath"
)

// executionRow is one execution: what its last end says of it or, while there is
// none, its start.
type executionRow struct {
	id, workflow, user, triggerType, status, errorType, errorMessage string
	version, attempt                                                 int64
	queued, start, end, duration                                     int64 // queued and end may be Unknown
}

// executionByID finds an execution in what the caller may see. It is that of the
// user whom its steps inherit; what another user is named in is not read.
func (e *Engine) executionByID(ctx context.Context, q *question, id string) (*executionRow, statement, uint64, error) {
	b := newBinder(q.scope)
	bound, scoped := b.bind(id, "String"), q.conditions(b, nil)
	rows := scoped
	if rows != "" {
		rows = " AND (user_id = '' OR " + strings.TrimPrefix(scoped, " AND ") + ")"
	}
	st := statement{params: b.params, sql: fmt.Sprintf(`SELECT
    toString(status) AS state, toUnixTimestamp64Milli(time) AS at, workflow_id AS workflow, toInt64(workflow_version) AS revision,
    ifNull((SELECT argMaxIf(user_id, version, user_id != '') FROM %[4]s WHERE 1%[3]s), '') AS owner,
    trigger_type AS trigger, error_type AS category, error_message AS message,
    toUnixTimestamp64Milli(queued_time) AS queued, duration_ms AS duration, toInt64(attempt) AS tries
FROM %[1]s
WHERE 1%[3]s
  AND id IN (
    SELECT id FROM (
        SELECT id, argMaxIf(user_id, version, user_id != '') AS user_id
        FROM %[4]s
        GROUP BY id
    ) AS r
    WHERE 1%[2]s
  )
ORDER BY at, phase
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		b.rows("executions", "tenant = {tenant:String} AND id = "+bound+" AND (time, id) IN (SELECT time, id FROM executions_by_id WHERE tenant = {tenant:String} AND id = "+bound+")", ""),
		scoped, rows, b.executionsByID("id = "+bound, ""))}
	var c struct {
		status, workflow, user, trigger, errorType, errorMessage proto.ColStr
		at, version, queued, duration, attempt                   proto.ColInt64
	}
	var x *executionRow
	rowsRead, err := e.scan(ctx, "execution", st, proto.Results{
		{Name: "state", Data: &c.status},
		{Name: "at", Data: &c.at},
		{Name: "workflow", Data: &c.workflow},
		{Name: "revision", Data: &c.version},
		{Name: "owner", Data: &c.user},
		{Name: "trigger", Data: &c.trigger},
		{Name: "category", Data: &c.errorType},
		{Name: "message", Data: &c.errorMessage},
		{Name: "queued", Data: &c.queued},
		{Name: "duration", Data: &c.duration},
		{Name: "tries", Data: &c.attempt},
	}, func(i int) error {
		if x == nil {
			x = &executionRow{id: id, queued: criticalpath.Unknown, start: criticalpath.Unknown, end: criticalpath.Unknown}
		}
		started := c.status.Row(i) == event.StatusStarted.String()
		if started && x.end != criticalpath.Unknown {
			return nil // Another start behind an end says nothing about it.
		}
		x.status, x.user = c.status.Row(i), c.user.Row(i)
		if c.queued[i] > 0 { // An absent time is stored as 1970.
			x.queued = c.queued[i]
		}
		keep(&x.workflow, c.workflow.Row(i))
		keep(&x.triggerType, c.trigger.Row(i))
		keepNumber(&x.version, c.version[i])
		keepNumber(&x.attempt, c.attempt[i])
		if started {
			x.start = c.at[i]
			return nil
		}
		x.errorType, x.errorMessage = c.errorType.Row(i), c.errorMessage.Row(i)
		x.end, x.duration = c.at[i], c.duration[i]
		return nil
	})
	if err != nil {
		return nil, st, rowsRead, err
	}
	if x == nil {
		return nil, st, rowsRead, &NotFoundError{Message: "there is no execution " + Shortened(id) + " in what the caller may see"}
	}
	if x.end != criticalpath.Unknown && (x.duration > 0 || x.start == criticalpath.Unknown) {
		x.start = x.end - x.duration // What figures of durations say too.
	}
	return x, st, rowsRead, nil
}

// lasted returns from when on the wall clock counts. Of an execution that ended
// without a duration, that is not known.
func (x *executionRow) lasted() int64 {
	if x.end != criticalpath.Unknown && x.duration == 0 {
		return criticalpath.Unknown
	}
	return x.start
}

func keep(to *string, value string) {
	if value != "" {
		*to = value
	}
}

func keepNumber(to *int64, value int64) {
	if value != 0 {
		*to = value
	}
}
