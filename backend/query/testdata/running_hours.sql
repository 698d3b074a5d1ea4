-- running
SELECT intDiv(ts, 3600) * 3600 AS t, toInt64(sum(delta)) AS a_running
FROM (
    SELECT change.1 AS ts, change.2 AS delta
    FROM (
        SELECT * FROM execution_spans FINAL
        WHERE tenant = {tenant:String} AND started_at <= fromUnixTimestamp64Milli({p1:Int64}, 'UTC') AND ended_at > fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND started_at < ended_at
    ) AS r
    ARRAY JOIN if(ended_at <= fromUnixTimestamp64Milli({p2:Int64}, 'UTC'), [(intDiv(greatest(toUnixTimestamp64Milli(started_at) - 1, {p0:Int64}), 1000), toInt64(1)), (intDiv(greatest(toUnixTimestamp64Milli(ended_at) - 1, {p0:Int64}), 1000), toInt64(-1))], [(intDiv(greatest(toUnixTimestamp64Milli(started_at) - 1, {p0:Int64}), 1000), toInt64(1))]) AS change
    WHERE 1 AND user_id IN {p3:Array(String)}
)
GROUP BY t
ORDER BY t
LIMIT 200001
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1772323200000,
  "p1": 1772409600000,
  "p2": 1772409600000,
  "p3": [
    "ann"
  ],
  "tenant": "acme"
}

