-- costs
SELECT toInt64(toYYYYMM(toDate32(toInt32(intDiv(ts + multiIf(ts < 1772953200, -18000, -14400), 86400))))) AS t, sum(m_dollars) AS a_dollars, sum(m_dollars_credited) AS a_dollars_credited
FROM (
    SELECT toInt64(toUnixTimestamp(bucket)) AS ts, dollars AS m_dollars, dollars_credited AS m_dollars_credited
    FROM rollup_costs
    WHERE tenant = {tenant:String} AND level = 'quarter' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
      AND identity((level, bucket, version) IN (
        SELECT level, bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'cost' AND level = 'quarter' AND bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC')
        GROUP BY level, bucket
      ))
)
GROUP BY t
ORDER BY t
LIMIT 200001

{
  "p0": 1772323200,
  "p1": 1774915200,
  "tenant": "acme"
}

