-- executions
SELECT intDiv(ts, 3600) * 3600 AS t, toInt64(sum(m_started)) AS a_started
FROM (
    SELECT toInt64(toUnixTimestamp(bucket)) AS ts, started AS m_started
    FROM rollup_executions
    WHERE tenant = {tenant:String} AND (level = 'quarter' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC') OR level = 'minute' AND bucket >= toDateTime({p2:Int64}, 'UTC') AND bucket < toDateTime({p3:Int64}, 'UTC'))
      AND identity((level, bucket, version) IN (
        SELECT level, bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'execution' AND (level = 'quarter' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC') OR level = 'minute' AND bucket >= toDateTime({p2:Int64}, 'UTC') AND bucket < toDateTime({p3:Int64}, 'UTC'))
        GROUP BY level, bucket
      ))
    UNION ALL
    SELECT intDiv(toUnixTimestamp64Milli(time), 1000) AS ts, toUInt64(status = 'started') AS m_started
    FROM (SELECT * FROM executions FINAL WHERE tenant = {tenant:String} AND (time >= fromUnixTimestamp64Milli({p4:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p5:Int64}, 'UTC') OR time >= fromUnixTimestamp64Milli({p6:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p7:Int64}, 'UTC'))) AS r
    WHERE 1
)
GROUP BY t
ORDER BY t
LIMIT 200001
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1774656900,
  "p1": 1774828800,
  "p2": 1774656120,
  "p3": 1774656900,
  "p4": 1774656090000,
  "p5": 1774656120000,
  "p6": 1774828800000,
  "p7": 1774828800001,
  "tenant": "acme"
}

