-- dead_letters
SELECT intDiv(ts, 3600) * 3600 AS t, d_reject_code, toInt64(count()) AS a_letters
FROM (
    SELECT toInt64(intDiv(version, 1000000)) AS ts, CAST(code, 'String') AS d_reject_code
    FROM (SELECT version, source, kind, code, state FROM dead_letters FINAL WHERE tenant = {tenant:String} AND version >= {p0:UInt64} AND version < {p1:UInt64}) AS r
    WHERE 1
)
GROUP BY t, d_reject_code
ORDER BY t, d_reject_code
LIMIT 200001

{
  "p0": 1772323200000000,
  "p1": 1772409600000000,
  "tenant": "acme"
}

