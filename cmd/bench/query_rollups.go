package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/rollup"
)

// A rollupShape is how a kind's rollups look at a billion events a day: a row of each
// group in each bucket, with as many events as a platform of that size has.
type rollupShape struct {
	kind, table string
	groups      int // of each workflow
	perDay      int // events a day, of the billion
	columns     string
	values      string // SQL over w, the workflow, g, the group's number in it, and n, its events in the bucket
}

// durationsSQL are the columns of durations: a histogram of as many buckets as a spread
// of four doublings has, fewer where there are few events.
const durationsSQL = `toInt64(n * 4000 * (1 + w % 7)), toInt64(60000 + w), mapFromArrays(
    arrayMap(i -> toInt16(8 * (w % 7) + i), range(buckets)), arrayMap(i -> toUInt64(greatest(1, intDiv(n + i * 7, buckets))), range(buckets)))`

var rollupShapes = []rollupShape{
	{
		kind: "execution", table: "rollup_executions", groups: 4, perDay: 160_000_000,
		columns: "workflow_id, workflow_version, trigger_type, error_type, user_id, started, completed, failed, duration_ms, duration_max, duration_hist",
		values: `workflow, 1 + w % 5, ['schedule', 'webhook', 'manual', 'event'][1 + w % 4], ['', 'timeout', 'http_error', 'validation'][1 + g], user,
    if(g = 0, n, 0), if(g = 0, n, 0), if(g = 0, 0, n), ` + durationsSQL,
	},
	{
		kind: "step", table: "rollup_steps", groups: 10, perDay: 500_000_000,
		columns: "workflow_id, workflow_version, step_id, step_type, user_id, completed, failed, skipped, duration_ms, duration_max, duration_hist, input_bytes, output_bytes, credits",
		values: `workflow, 1 + w % 5, concat('step-', toString(g)), ['http', 'script', 'query', 'mail'][1 + (w + g) % 4], user,
    n - intDiv(n, 50), intDiv(n, 50), 0, ` + durationsSQL + `, toInt64(n * 1000), toInt64(n * 300), toDecimal128(n, 15) / 8`,
	},
	{
		kind: "cost", table: "rollup_costs", groups: 5, perDay: 320_000_000,
		columns: "workflow_id, action_type, user_id, records, records_credited, credits, dollars",
		values:  `workflow, concat('action-', toString((w + g) % 40)), user, n, intDiv(n, 1000), toDecimal128(n, 15) / 8, toDecimal128(n * 7, 15) / 10000`,
	},
}

// makeRollups writes rollups of days as the roller leaves them: minutes of the last
// ones, quarters, and days with and without users, and the narrow ones of all these.
// Of quarters with users there are the narrow ones only, a row for each of ten thousand
// users: a billion events a day hardly repeat within one. It goes on where it was
// interrupted.
func (b *queryBench) makeRollups(ctx context.Context, client *clickhouse.Client) error {
	began := time.Now()
	for _, s := range rollupShapes {
		done, err := lastNarrow(ctx, client, strings.Replace(s.table, "rollup_", "narrow_", 1))
		if err != nil {
			return err
		}
		for day := range b.days {
			from := lastDay.AddDate(0, 0, day-b.days)
			if from.Before(done) { // done itself may not have all of its rows
				continue
			}
			for _, l := range []struct {
				level          string
				buckets, users int
				wanted         bool
			}{
				{"minute", 1440, 1, day >= b.days-b.minuteDays},
				{"quarter", 96, 1, s.kind != "step" || day >= b.days-31}, // of ten steps each, those that are asked for
				{"day", 1, 1, true},
				{"day_user", 1, 25, s.kind == "execution"},
			} {
				if !l.wanted {
					continue
				}
				if err := client.Exec(ctx, s.insert(b.workflows, l.users), map[string]any{
					"level": l.level, "from": from.Unix(), "width": 86400 / l.buckets, "rows": l.buckets * b.workflows * s.groups * l.users,
					"events": s.perDay / l.buckets,
				}); err != nil {
					return err
				}
			}
			if err := narrow(ctx, client, s.kind, from); err != nil {
				return err
			}
			if s.kind == "execution" && day >= b.days-31 {
				if err := client.Exec(ctx, quarterUsersSQL, map[string]any{"from": from.Unix(), "users": 10 * b.workflows}); err != nil {
					return err
				}
			}
		}
		b.say("rollups of %ss after %.0f s", s.kind, time.Since(began).Seconds())
	}
	for level, width := range map[string]int{"minute": 60, "quarter": 900, "quarter_user": 900, "day": 86400, "day_user": 86400} {
		for _, kind := range []string{"execution", "step", "cost", "activity"} {
			if err := client.Exec(ctx, `INSERT INTO bucket_versions (tenant, kind, level, bucket, version, writer)
SELECT '`+benchTenant+`', {kind:String}, {level:String}, toDateTime({from:Int64} + number * {width:Int64}), 4096, 1 FROM numbers({rows:UInt64})`, map[string]any{
				"kind": kind, "level": level, "from": lastDay.AddDate(0, 0, -b.days).Unix(), "width": width, "rows": b.days * 86400 / width,
			}); err != nil {
				return err
			}
		}
	}
	return narrowEverywhere(ctx, client)
}

// lastNarrow is the last day of which a kind's narrow rollup has rows, which are made
// when all others of the day are there.
func lastNarrow(ctx context.Context, client *clickhouse.Client, table string) (time.Time, error) {
	var last proto.ColInt64
	err := client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT toUnixTimestamp(toStartOfDay(max(bucket)))::Int64 AS last FROM " + table,
		Result: proto.Results{{Name: "last", Data: &last}},
	})
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(last.Row(0), 0), nil
}

// quarterUsersSQL inserts the narrow rows of users in the quarters of a day: each has
// started some of their workflows, in a histogram of a few buckets.
const quarterUsersSQL = `INSERT INTO narrow_executions (tenant, kept, level, bucket, user_id, completed, failed, duration_ms, duration_max, duration_hist, version)
WITH intDiv(number, {users:UInt64}) AS b, number % {users:UInt64} AS u, 1 + intHash64(number) % 300 AS n, toUInt32(least(n, 16)) AS buckets
SELECT '` + benchTenant + `', 'user', 'quarter_user', toDateTime({from:Int64} + b * 900), concat('user-', toString(u)), n - n % 3, n % 3,
    toInt64(n * 4000), toInt64(60000), mapFromArrays(arrayMap(i -> toInt16(u % 20 + i), range(buckets)), arrayMap(i -> toUInt64(greatest(1, intDiv(n, buckets))), range(buckets))), 4096
FROM numbers(96 * {users:UInt64})`

// narrow makes the narrow rollups of a day.
func narrow(ctx context.Context, client *clickhouse.Client, kind string, day time.Time) error {
	sql, err := rollup.Narrowed(kind, "bucket >= toDateTime({from:Int64}, 'UTC') AND bucket < toDateTime({to:Int64}, 'UTC')")
	if err != nil {
		return err
	}
	return client.Exec(ctx, sql, map[string]any{"from": day.Unix(), "to": day.AddDate(0, 0, 1).Unix()})
}

// narrowEverywhere says that all buckets have narrow rows.
func narrowEverywhere(ctx context.Context, client *clickhouse.Client) error {
	return client.Exec(ctx, "INSERT INTO narrow_since (tenant, kind, since) SELECT '', arrayJoin(['execution', 'step', 'cost', 'activity']), toDateTime(0, 'UTC')", nil)
}

// insert renders the statement for the buckets of a level.
func (s rollupShape) insert(workflows, users int) string {
	user := "''"
	if users > 1 {
		user = fmt.Sprintf("concat('user-', toString(w * 10 + number %% %d))", users)
	}
	return fmt.Sprintf(`INSERT INTO %[1]s (tenant, level, bucket, %[2]s, version)
WITH
    intDiv(number, %[3]d) AS b, intDiv(number %% %[3]d, %[4]d) AS w, intDiv(number %% %[4]d, %[5]d) AS g,
    concat('workflow-', toString(w)) AS workflow, %[6]s AS user,
    {events:UInt64} / %[5]d * (pow((w + 1) / %[7]d, 1 / 3) - pow(w / %[7]d, 1 / 3)) AS ofWorkflow,
    toUInt64(floor(if(%[8]t OR g = 0, ofWorkflow / %[9]d, ofWorkflow * 0.01) + (intHash64(number) %% 1000) / 1000)) AS n,
    toUInt32(least(n, if(%[8]t OR g = 0, 60, 16))) AS buckets
SELECT '%[10]s', {level:String}, toDateTime({from:Int64} + b * {width:Int64}), %[11]s, 4096
FROM numbers({rows:UInt64})
WHERE n > 0`,
		s.table, s.columns, workflows*s.groups*users, s.groups*users, users, user, workflows, s.kind != "execution",
		map[bool]int{true: 1, false: s.groups}[s.kind == "execution"], benchTenant, strings.TrimSpace(s.values))
}
