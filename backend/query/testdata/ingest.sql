-- ingest
SELECT d_event_kind, toInt64(sum(stored)) AS a_stored, toInt64(max(lag_ms_max)) AS a_lag_max, toInt64(sum(accepted)) AS a_accepted
FROM (
    SELECT toInt64(toUnixTimestamp(minute)) AS ts, CAST(kind, 'String') AS d_event_kind, accepted, duplicates, rejected, added, stored, lag_ms_sum, lag_ms_max
    FROM ingest_log
    WHERE tenant = {tenant:String} AND minute >= toDateTime({p0:Int64}, 'UTC') AND minute < toDateTime({p1:Int64}, 'UTC')
)
GROUP BY d_event_kind
ORDER BY d_event_kind
LIMIT 200001

{
  "p0": 1772323200,
  "p1": 1772409600,
  "tenant": "acme"
}

