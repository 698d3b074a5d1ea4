-- visible
SELECT intDiv(ts, 3600) * 3600 AS t, d_source, toInt64(sum(m_visible)) AS a_visible, toInt64(sum(m_replaced)) AS a_replaced
FROM (
    SELECT toInt64(toUnixTimestamp(minute)) AS ts, CAST(source, 'String') AS d_source, toInt64(0) AS m_visible, toInt64(if(source IN (SELECT source FROM ingest_log WHERE tenant = {tenant:String} AND kind = 'fragment' AND minute >= toDateTime({p0:Int64}, 'UTC') AND minute < toDateTime({p1:Int64}, 'UTC')), 0, stored)) AS m_replaced
    FROM ingest_log
    WHERE tenant = {tenant:String} AND kind != 'fragment' AND minute >= toDateTime({p2:Int64}, 'UTC') AND minute < toDateTime({p3:Int64}, 'UTC') AND kind IN {p4:Array(String)}
    UNION ALL
    SELECT toInt64(intDiv(bitAnd(version, 4611686018427387903), 1000000)) AS ts, CAST(source, 'String') AS d_source, toInt64(1) AS m_visible, toInt64(if(source IN (SELECT source FROM ingest_log WHERE tenant = {tenant:String} AND kind = 'fragment' AND minute >= toDateTime({p0:Int64}, 'UTC') AND minute < toDateTime({p1:Int64}, 'UTC')), 0, -1)) AS m_replaced
    FROM (SELECT version, source, 'execution' AS kind FROM executions FINAL WHERE tenant = {tenant:String} AND (version >= {p5:UInt64} AND version < {p6:UInt64} OR version >= {p7:UInt64} AND version < {p8:UInt64})) AS r
    WHERE 1 AND kind IN {p9:Array(String)}
    UNION ALL
    SELECT toInt64(intDiv(bitAnd(version, 4611686018427387903), 1000000)) AS ts, CAST(source, 'String') AS d_source, toInt64(1) AS m_visible, toInt64(if(source IN (SELECT source FROM ingest_log WHERE tenant = {tenant:String} AND kind = 'fragment' AND minute >= toDateTime({p0:Int64}, 'UTC') AND minute < toDateTime({p1:Int64}, 'UTC')), 0, -1)) AS m_replaced
    FROM (SELECT version, source, 'step' AS kind FROM steps FINAL WHERE tenant = {tenant:String} AND (version >= {p10:UInt64} AND version < {p11:UInt64} OR version >= {p12:UInt64} AND version < {p13:UInt64})) AS r
    WHERE 1 AND kind IN {p14:Array(String)}
    UNION ALL
    SELECT toInt64(intDiv(bitAnd(version, 4611686018427387903), 1000000)) AS ts, CAST(source, 'String') AS d_source, toInt64(1) AS m_visible, toInt64(if(source IN (SELECT source FROM ingest_log WHERE tenant = {tenant:String} AND kind = 'fragment' AND minute >= toDateTime({p0:Int64}, 'UTC') AND minute < toDateTime({p1:Int64}, 'UTC')), 0, -1)) AS m_replaced
    FROM (SELECT version, source, 'cost' AS kind FROM costs FINAL WHERE tenant = {tenant:String} AND (version >= {p15:UInt64} AND version < {p16:UInt64} OR version >= {p17:UInt64} AND version < {p18:UInt64})) AS r
    WHERE 1 AND kind IN {p19:Array(String)}
    UNION ALL
    SELECT toInt64(intDiv(bitAnd(version, 4611686018427387903), 1000000)) AS ts, CAST(source, 'String') AS d_source, toInt64(1) AS m_visible, toInt64(if(source IN (SELECT source FROM ingest_log WHERE tenant = {tenant:String} AND kind = 'fragment' AND minute >= toDateTime({p0:Int64}, 'UTC') AND minute < toDateTime({p1:Int64}, 'UTC')), 0, -1)) AS m_replaced
    FROM (SELECT version, source, 'activity' AS kind FROM activity FINAL WHERE tenant = {tenant:String} AND (version >= {p20:UInt64} AND version < {p21:UInt64} OR version >= {p22:UInt64} AND version < {p23:UInt64})) AS r
    WHERE 1 AND kind IN {p24:Array(String)}
)
GROUP BY t, d_source
ORDER BY t, d_source
LIMIT 200001
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1772323200,
  "p1": 1772409600,
  "p10": 1772323200000000,
  "p11": 1772409600000000,
  "p12": 4613458341627387904,
  "p13": 4613458428027387904,
  "p14": [
    "step"
  ],
  "p15": 1772323200000000,
  "p16": 1772409600000000,
  "p17": 4613458341627387904,
  "p18": 4613458428027387904,
  "p19": [
    "step"
  ],
  "p2": 1772323200,
  "p20": 1772323200000000,
  "p21": 1772409600000000,
  "p22": 4613458341627387904,
  "p23": 4613458428027387904,
  "p24": [
    "step"
  ],
  "p3": 1772409600,
  "p4": [
    "step"
  ],
  "p5": 1772323200000000,
  "p6": 1772409600000000,
  "p7": 4613458341627387904,
  "p8": 4613458428027387904,
  "p9": [
    "step"
  ],
  "tenant": "acme"
}

