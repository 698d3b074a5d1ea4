-- conflicts
SELECT d_execution, d_workflow, toInt64(sum(m_conflicts)) AS a_conflicts, toInt64(max(m_span)) AS a_span
FROM (
    SELECT intDiv(ends[-1], 1000) AS ts, id AS d_execution, workflow_id AS d_workflow, length(ends) - 1 AS m_conflicts, ends[-1] - ends[1] AS m_span
    FROM (
        SELECT
            tenant, id,
            argMax(workflow_id, time) AS workflow_id,
            argMax(user_id, time) AS user_id,
            arraySort(groupArray(toUnixTimestamp64Milli(time))) AS ends
        FROM (SELECT * FROM executions_by_id FINAL WHERE tenant = {tenant:String} AND phase = 'terminal' AND id IN (SELECT id FROM executions WHERE tenant = {tenant:String} AND phase = 'terminal' AND time >= fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p1:Int64}, 'UTC')))
        GROUP BY tenant, id
        HAVING length(ends) > 1 AND ends[-1] >= {p2:Int64} AND ends[-1] < {p3:Int64}
    ) AS r
    WHERE 1
)
GROUP BY d_execution, d_workflow
ORDER BY a_conflicts DESC NULLS LAST, d_execution, d_workflow
LIMIT 11
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1772323200000,
  "p1": 1772409600000,
  "p2": 1772323200000,
  "p3": 1772409600000,
  "tenant": "acme"
}

