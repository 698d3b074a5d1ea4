-- costs
SELECT d_workflow, sum(m_dollars) AS a_dollars
FROM (
    SELECT workflow_id AS d_workflow, dollars AS m_dollars
    FROM rollup_costs
    WHERE tenant = {tenant:String} AND level = 'day' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
      AND identity((level, bucket, version) IN (
        SELECT level, bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'cost' AND level = 'day' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
        GROUP BY level, bucket
      ))
)
GROUP BY d_workflow
ORDER BY d_workflow
LIMIT 200001

{
  "p0": 1772323200,
  "p1": 1772409600,
  "tenant": "acme"
}

-- executions
SELECT d_workflow, toInt64(sum(m_completed)) AS a_completed, toInt64(sum(m_failed)) AS a_failed
FROM (
    SELECT workflow_id AS d_workflow, completed AS m_completed, failed AS m_failed
    FROM rollup_executions
    WHERE tenant = {tenant:String} AND level = 'day' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
      AND identity((level, bucket, version) IN (
        SELECT level, bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'execution' AND level = 'day' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
        GROUP BY level, bucket
      ))
)
GROUP BY d_workflow
ORDER BY d_workflow
LIMIT 200001

{
  "p0": 1772323200,
  "p1": 1772409600,
  "tenant": "acme"
}

