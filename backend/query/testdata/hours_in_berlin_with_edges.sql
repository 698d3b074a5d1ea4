-- executions
SELECT intDiv(ts, 3600) * 3600 AS t, toInt64(sum(m_started)) AS a_started
FROM (
    SELECT toInt64(toUnixTimestamp(bucket)) AS ts, started AS m_started
    FROM rollup_executions
    WHERE tenant = {tenant:String} AND level = 'quarter' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
      AND (bucket, version) IN (
        SELECT bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'execution' AND level = 'quarter' AND bucket >= toDateTime({p2:Int64}, 'UTC') AND bucket < toDateTime({p3:Int64}, 'UTC')
        GROUP BY bucket
      )
    UNION ALL
    SELECT toInt64(toUnixTimestamp(bucket)) AS ts, started AS m_started
    FROM rollup_executions
    WHERE tenant = {tenant:String} AND level = 'minute' AND bucket >= toDateTime({p4:Int64}, 'UTC') AND bucket < toDateTime({p5:Int64}, 'UTC')
      AND (bucket, version) IN (
        SELECT bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'execution' AND level = 'minute' AND bucket >= toDateTime({p6:Int64}, 'UTC') AND bucket < toDateTime({p7:Int64}, 'UTC')
        GROUP BY bucket
      )
    UNION ALL
    SELECT intDiv(toUnixTimestamp64Milli(time), 1000) AS ts, toUInt64(status = 'started') AS m_started
    FROM (SELECT * FROM executions FINAL WHERE tenant = {tenant:String} AND (time >= fromUnixTimestamp64Milli({p8:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p9:Int64}, 'UTC') OR time >= fromUnixTimestamp64Milli({p10:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p11:Int64}, 'UTC'))) AS r
    WHERE 1
)
GROUP BY t
ORDER BY t
LIMIT 200001
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1774656900,
  "p1": 1774828800,
  "p10": 1774828800000,
  "p11": 1774828800001,
  "p2": 1774656900,
  "p3": 1774828800,
  "p4": 1774656120,
  "p5": 1774656900,
  "p6": 1774656120,
  "p7": 1774656900,
  "p8": 1774656090000,
  "p9": 1774656120000,
  "tenant": "acme"
}

