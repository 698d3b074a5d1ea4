package query

import (
	"fmt"

	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
)

// spans is a subquery of the executions that run at some moment between from and to,
// both rendered, now or as the binder's moment knew it. One whose end came before its
// start, by the clocks of two machines, never runs.
func (b *binder) spans(from, to string) string {
	if b.asOf == 0 {
		return fmt.Sprintf(`(
        SELECT * FROM execution_spans FINAL
        WHERE tenant = {tenant:String} AND started_at <= %s AND ended_at > %s AND started_at < ended_at
    )`, to, from)
	}
	// What runs then ends later than from, or has no end: one of its rows is of a later
	// time, or it runs still, or something has come since.
	candidates := fmt.Sprintf(`id IN (
            SELECT id FROM executions WHERE tenant = {tenant:String} AND time > %[1]s
            UNION ALL
            SELECT id FROM execution_spans FINAL WHERE tenant = {tenant:String} AND ended_at > %[1]s
            UNION ALL
            SELECT id FROM executions%[2]s WHERE tenant = {tenant:String} AND NOT %[3]s
        )`, from, history.Versions, b.known("executions"))
	// As the roller makes them.
	return fmt.Sprintf(`(
        SELECT * FROM (
            SELECT
                id, minIf(time, phase = 'started') AS started_at,
                if(countIf(phase = 'terminal') = 0, toDateTime64('2299-01-01 00:00:00', 3, 'UTC'), minIf(time, phase = 'terminal')) AS ended_at,
                argMax(workflow_id, version) AS workflow_id, argMax(workflow_version, version) AS workflow_version,
                argMax(user_id, version) AS user_id, argMax(trigger_type, version) AS trigger_type
            FROM %s
            GROUP BY id
            HAVING countIf(phase = 'started') > 0
        )
        WHERE started_at <= %s AND ended_at > %s AND started_at < ended_at
    )`, b.executionsByID(candidates, ""), to, from)
}
