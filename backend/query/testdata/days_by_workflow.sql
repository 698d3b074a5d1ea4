-- executions
SELECT intDiv(ts, 86400) AS t, d_workflow, toInt64(sum(m_completed)) AS a_completed, toInt64(sum(m_failed)) AS a_failed, sumMap(m_duration_hist) AS a_histogram, toInt64(max(m_duration_max)) AS a_longest
FROM (
    SELECT toInt64(toUnixTimestamp(bucket)) AS ts, workflow_id AS d_workflow, completed AS m_completed, failed AS m_failed, duration_hist AS m_duration_hist, duration_max AS m_duration_max
    FROM rollup_executions
    WHERE tenant = {tenant:String} AND level = 'day' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
      AND identity((level, bucket, version) IN (
        SELECT level, bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'execution' AND level = 'day' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
        GROUP BY level, bucket
      ))
)
GROUP BY t, d_workflow
ORDER BY t, d_workflow
LIMIT 200001

{
  "p0": 1772323200,
  "p1": 1774915200,
  "tenant": "acme"
}

