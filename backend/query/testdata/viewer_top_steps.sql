-- steps
SELECT d_step, d_version, sumMap(m_duration_hist) AS a_histogram, toInt64(max(m_duration_max)) AS a_longest, toInt64(sum(m_completed)) AS a_completed, toInt64(sum(m_failed)) AS a_failed
FROM (
    SELECT step_id AS d_step, toString(workflow_version) AS d_version, duration_hist AS m_duration_hist, duration_max AS m_duration_max, completed AS m_completed, failed AS m_failed
    FROM rollup_steps
    WHERE tenant = {tenant:String} AND level = 'day_user' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC') AND user_id IN {p2:Array(String)} AND workflow_id IN {p3:Array(String)} AND workflow_version NOT IN {p4:Array(Int64)}
      AND identity((level, bucket, version) IN (
        SELECT level, bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'step' AND level = 'day_user' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
        GROUP BY level, bucket
      ))
    UNION ALL
    SELECT step_id AS d_step, toString(workflow_version) AS d_version, if(status != 'skipped', map(duration_bucket, toUInt64(1)), CAST(map(), 'Map(Int16, UInt64)')) AS m_duration_hist, if(status != 'skipped', duration_ms, 0) AS m_duration_max, toUInt64(status = 'completed') AS m_completed, toUInt64(status = 'failed') AS m_failed
    FROM (
    SELECT
        s.tenant AS tenant, s.time AS time, s.id AS id, s.execution_id AS execution_id, s.step_id AS step_id, s.step_type AS step_type,
        s.status AS status, s.duration_ms AS duration_ms, s.duration_bucket AS duration_bucket, s.queued_time AS queued_time, s.attempt AS attempt,
        s.input_bytes AS input_bytes, s.output_bytes AS output_bytes, s.credits AS credits,
        s.end_time AS end_time, s.depends_on AS depends_on,
        if(s.workflow_id = '', e.workflow_id, s.workflow_id) AS workflow_id,
        if(s.workflow_version = 0, e.workflow_version, s.workflow_version) AS workflow_version,
        if(s.user_id = '', e.user_id, s.user_id) AS user_id
    FROM (SELECT * FROM steps FINAL WHERE tenant = {tenant:String} AND time >= fromUnixTimestamp64Milli({p5:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p6:Int64}, 'UTC')) AS s
    LEFT ANY JOIN (
        SELECT
            tenant,
            id,
            argMax(workflow_id, version) AS workflow_id,
            argMaxIf(workflow_version, version, workflow_version != 0) AS workflow_version,
            argMaxIf(user_id, version, user_id != '') AS user_id
        FROM executions_by_id FINAL
        WHERE (tenant, id) IN (
            SELECT tenant, execution_id FROM steps
            WHERE (tenant = {tenant:String} AND time >= fromUnixTimestamp64Milli({p5:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p6:Int64}, 'UTC')) AND (workflow_id = '' OR workflow_version = 0 OR user_id = '')
        )
        GROUP BY tenant, id
    ) AS e ON s.tenant = e.tenant AND s.execution_id = e.id
) AS r
    WHERE 1 AND user_id IN {p7:Array(String)} AND workflow_id IN {p8:Array(String)} AND workflow_version NOT IN {p9:Array(Int64)}
)
GROUP BY d_step, d_version
ORDER BY if(empty(a_histogram), NULL, least(if(mapKeys(a_histogram)[arrayFirstIndex(c -> c * 100 >= 99 * arraySum(mapValues(a_histogram)), arrayCumSum(mapValues(a_histogram)))] = -32768, 0, exp2((mapKeys(a_histogram)[arrayFirstIndex(c -> c * 100 >= 99 * arraySum(mapValues(a_histogram)), arrayCumSum(mapValues(a_histogram)))] - 0.5) / 16) * 1000), toFloat64(a_longest))) DESC NULLS LAST, d_step, d_version
LIMIT 4
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1772323200,
  "p1": 1772409600,
  "p2": [
    "ann"
  ],
  "p3": [
    "it's"
  ],
  "p4": [
    0
  ],
  "p5": 1772409600000,
  "p6": 1772409900000,
  "p7": [
    "ann"
  ],
  "p8": [
    "it's"
  ],
  "p9": [
    0
  ],
  "tenant": "acme"
}

