-- running
SELECT d_workflow, toInt64(sum(delta)) AS a_running
FROM (
    SELECT workflow_id AS d_workflow, toInt64(1) AS delta
    FROM (
        SELECT * FROM execution_spans FINAL
        WHERE tenant = {tenant:String} AND started_at <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC') AND ended_at > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND started_at < ended_at
    ) AS r
    WHERE 1
)
GROUP BY d_workflow
ORDER BY d_workflow
LIMIT 200001
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1772409600000,
  "p1": 1772409600000,
  "tenant": "acme"
}

