package main

import (
	"context"
	"time"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/rollup"
)

// lastDay is where the data of the questions ends. A fixed day: what is made once
// can be asked again.
var lastDay = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

const benchTenant = "bench"

// The distributions are those of a platform: few workflows make most of the
// executions (the cube of a uniform number), each has an owner and some users, a usual duration
// with a spread, one kind of trigger, and fails in its own way.
const (
	// executionsSQL inserts the events of a day, in order of time as a live platform
	// does; two of each execution.
	executionsSQL = `INSERT INTO executions (tenant, time, id, phase, workflow_id, workflow_version, user_id, trigger_id, trigger_type, status,
    duration_ms, duration_bucket, step_count, error_type, error_message, error_fingerprint, version)
WITH
    intDiv(number, 2) AS execution, number % 2 = 0 AS begins,
    sipHash64(execution, {day:UInt32}) AS h, (h % 1000003) / 1000003 AS u,
    toUInt32(floor({workflows:UInt32} * u * u * u)) AS w,
    NOT begins AND intHash64(h + 1) % 1000 < 5 + w % 40 AS fails,
    toInt64(exp(5 + w % 7 + ((intHash64(h + 2) % 1000 + intHash64(h + 3) % 1000 + intHash64(h + 4) % 1000) / 1000. - 1.5))) AS duration
SELECT
    '` + benchTenant + `', fromUnixTimestamp64Milli({from:Int64} + intDiv(number * 86400000, {count:UInt64})) AS t, lower(hex(h)),
    if(begins, 'started', 'terminal'), concat('workflow-', toString(w)), 1 + w % 5, concat('user-', toString(w * 3 + h % 5)),
    concat('trigger-', toString(w)), ['schedule', 'webhook', 'manual', 'event'][1 + w % 4],
    multiIf(begins, 'started', fails, 'failed', 'completed'), if(begins, 0, duration),
    if(begins OR duration = 0, -32768, toInt16(ceil(log2(duration / 1000) * 16))), 1 + w % 12,
    if(fails, ['timeout', 'http_error', 'validation'][1 + h % 3], ''), if(fails, 'it did not work out', ''), if(fails, 1 + h % 3, 0),
    toUInt64(toUnixTimestamp64Micro(t))
FROM numbers({count:UInt64})`

	marksSQL = `INSERT INTO bucket_marks (tenant, kind, minute)
SELECT '` + benchTenant + `', 'execution', toDateTime({from:Int64} + number * 60) FROM numbers({minutes:UInt64})`
)

// makeRaw inserts rows of 30 days and lets the roller make the rollups of them, a day
// at a time.
func makeRaw(ctx context.Context, client *clickhouse.Client, rows int, say func(string, ...any)) error {
	roller, err := rollup.New(rollup.Config{Client: client})
	if err != nil {
		return err
	}
	// What is kept by id is not asked for here.
	if err := client.Exec(ctx, "DROP VIEW IF EXISTS executions_by_id_mv", nil); err != nil {
		return err
	}
	for day := range 30 {
		from := lastDay.AddDate(0, 0, day-30)
		began := time.Now()
		if err := client.Exec(ctx, executionsSQL, map[string]any{
			"day": day, "workflows": 1000, "from": from.UnixMilli(), "count": rows / 30 / 2 * 2,
		}); err != nil {
			return err
		}
		inserted := time.Since(began)
		if err := client.Exec(ctx, marksSQL, map[string]any{"from": from.Unix(), "minutes": 1440}); err != nil {
			return err
		}
		if _, err := roller.Settle(ctx); err != nil {
			return err
		}
		say("%s  %d events in %.1f s, rolled up in %.1f s", from.Format(time.DateOnly), rows/30, inserted.Seconds(), (time.Since(began) - inserted).Seconds())
	}
	return nil
}
