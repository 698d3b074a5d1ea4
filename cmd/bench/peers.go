package main

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// rawTables are what events are stored in.
var rawTables = []string{"executions", "steps", "costs", "activity"}

// A part is rows of each table in ClickHouse's own columnar format, about as many as
// a batch of the sink.
type part struct {
	rows   int
	tables map[string][]byte
}

// dump reads rows that Flowgauge has stored, so that exactly they can be inserted
// again. What the server fills in is left out.
func dump(ctx context.Context, d *database, parts, rows int) (out []part, err error) {
	total := 0.0
	counts := map[string]float64{}
	for _, table := range rawTables {
		if counts[table], err = d.number(ctx, "SELECT count() FROM "+table); err != nil {
			return nil, err
		}
		total += counts[table]
	}
	if total < float64(parts*rows) {
		return nil, fmt.Errorf("only %.0f rows were stored, %d are needed: let it run longer", total, parts*rows)
	}
	for i := range parts {
		p := part{tables: map[string][]byte{}}
		for _, table := range rawTables {
			n := int(counts[table] / total * float64(rows))
			p.rows += n
			p.tables[table], err = d.send(ctx, nil, fmt.Sprintf(
				"SELECT * EXCEPT (stored_at) FROM %s ORDER BY version LIMIT %d OFFSET %d FORMAT Native", table, n, i*n))
			if err != nil {
				return nil, err
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// rawInsert inserts parts into the same tables again and again: the columns are
// ready, so this is what ClickHouse itself can do with the rows.
func rawInsert(ctx context.Context, d *database, parts []part, done *atomic.Int64) error {
	client, err := clickhouse.New(clickhouse.Config{
		Addr: d.endpoint.TCPAddr(), Database: d.name, User: d.endpoint.Writer.Name, Password: d.endpoint.Writer.Password,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := schema.Migrate(ctx, client); err != nil {
		return err
	}
	for i := 0; ctx.Err() == nil; i++ {
		p := parts[i%len(parts)]
		var group errgroup.Group
		for table, rows := range p.tables {
			group.Go(func() error {
				_, err := d.send(ctx, rows, "INSERT INTO "+table+" FORMAT Native", "async_insert=0")
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		done.Add(int64(p.rows))
	}
	return nil
}

// wideTable takes the bytes of the wire format as they are: every field of every
// kind, with the ordering and the durability of Flowgauge's tables.
const wideTable = `CREATE TABLE events (
    kind LowCardinality(String), source LowCardinality(String), id String, timestamp DateTime64(3, 'UTC'), startTime DateTime64(3, 'UTC'),
    endTime DateTime64(3, 'UTC'), queuedTime DateTime64(3, 'UTC'), previousTimestamp DateTime64(3, 'UTC'), duration Int64,
    workflowId String, workflowVersion UInt32, userId String, executionId String, attempt UInt32, triggerId String, triggerType String,
    status LowCardinality(String), stepCount UInt32, errorType String, errorMessage String, stepId String, stepType String,
    inputSize Int64, outputSize Int64, creditsUsed Decimal(38, 15), dependsOn Array(String), actionType String, credits Decimal(38, 15),
    dollarAmount Decimal(38, 15), sessionId String, action String, resource String, resourceId String, metadata String
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY (kind, timestamp, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1`

var jsonSettings = []string{
	"date_time_input_format=best_effort", "input_format_json_read_objects_as_strings=1", "input_format_null_as_default=1",
	"input_format_skip_unknown_fields=1",
}

const insertJSON = "INSERT INTO events FORMAT JSONEachRow"

// jsonInsert sends the same bytes that Flowgauge gets, a hundred bodies at once,
// which is what ClickHouse does best with.
func jsonInsert(ctx context.Context, d *database, bodies []bodyMaker, each int, done *atomic.Int64) error {
	if _, err := d.send(ctx, nil, wideTable); err != nil {
		return err
	}
	const together = 100
	var body, all []byte
	for i := 0; ctx.Err() == nil; {
		all = all[:0]
		for range together {
			body = bodies[i%len(bodies)].next(body)
			all = append(all, bytes.TrimRight(body, "\n")...)
			all = append(all, '\n')
			i++
		}
		if _, err := d.send(ctx, all, insertJSON, append([]string{"async_insert=0"}, jsonSettings...)...); err != nil {
			return err
		}
		done.Add(int64(together * each))
	}
	return nil
}

// asyncSettings are ClickHouse's own way of taking single events durably. The time
// that it waits for company is pinned, since it adapts otherwise.
func asyncSettings(waitMS int) []string {
	return append([]string{
		"async_insert=1", "wait_for_async_insert=1", "async_insert_use_adaptive_busy_timeout=0",
		fmt.Sprintf("async_insert_busy_timeout_ms=%d", waitMS), fmt.Sprintf("async_insert_busy_timeout_max_ms=%d", waitMS),
	}, jsonSettings...)
}
