-- sessions
SELECT d_user, toInt64(count()) AS a_sessions, toInt64(sum(active)) AS a_active
FROM (
    SELECT intDiv(first, 1000) AS ts, user_id AS d_user, last.1 - first + last.2 AS active
    FROM (
        SELECT
            user_id, session_id,
            arrayJoin(arraySplit((e, i) -> i > 1 AND e.1 - actions[i - 1].1 > gap, actions, arrayEnumerate(actions))) AS session,
            session[1].1 AS first,
            arrayLast(e -> e.1 <= first + 86400000, session) AS last
        FROM (
            SELECT
                user_id, session_id,
                if(session_id = '', 1800000, 86400000) AS gap,
                arraySort(groupArray((toUnixTimestamp64Milli(time), duration_ms))) AS actions
            FROM (SELECT * FROM activity FINAL WHERE tenant = {tenant:String} AND time >= fromUnixTimestamp64Milli({p0:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({p1:Int64}, 'UTC')) AS r
            WHERE 1
            GROUP BY user_id, session_id
        )
    )
    WHERE first >= {p2:Int64} AND first < {p3:Int64}
)
GROUP BY d_user
ORDER BY d_user
LIMIT 200001
SETTINGS do_not_merge_across_partitions_select_final = 1

{
  "p0": 1772236800000,
  "p1": 1772496000000,
  "p2": 1772323200000,
  "p3": 1772409600000,
  "tenant": "acme"
}

