-- activity
SELECT toInt64(sum(m_actions)) AS a_actions, toInt64(uniqExactIf(m_user_id, m_user_id != '' AND m_actions > 0)) AS a_users
FROM (
    SELECT actions AS m_actions, user_id AS m_user_id
    FROM rollup_activity
    WHERE tenant = {tenant:String} AND level = 'quarter_user' AND (bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC') OR bucket >= toDateTime({p2:Int64}, 'UTC') AND bucket < toDateTime({p3:Int64}, 'UTC'))
      AND identity((level, bucket, version) IN (
        SELECT level, bucket, max(version) FROM bucket_versions
        WHERE tenant = {tenant:String} AND kind = 'activity' AND level = 'quarter_user' AND (bucket >= toDateTime({p0:Int64}, 'UTC') AND bucket < toDateTime({p1:Int64}, 'UTC') OR bucket >= toDateTime({p2:Int64}, 'UTC') AND bucket < toDateTime({p3:Int64}, 'UTC'))
        GROUP BY level, bucket
      ))
    UNION ALL
    SELECT toUInt64(1) AS m_actions, user_id AS m_user_id
    FROM (SELECT * FROM activity FINAL WHERE tenant = {tenant:String} AND time >= fromUnixTimestamp64Milli({p4:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p5:Int64}, 'UTC')) AS r
    WHERE 1
)
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1772323200,
  "p1": 1772326800,
  "p2": 1772327700,
  "p3": 1772409600,
  "p4": 1772326800000,
  "p5": 1772327700000,
  "tenant": "acme"
}

