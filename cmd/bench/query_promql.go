package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	prom "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/promql"
	"github.com/flowgauge/flowgauge/backend/query"
)

const promqlDays = 30

// promqlQuestions are R8's: what the database adds up, what the engine does, and instants.
var promqlQuestions = []struct {
	name, text string
	span, step time.Duration
}{
	{"24 h, added up in ClickHouse", "sum by (workflow) (flowgauge_executions_total)", 24 * time.Hour, 5 * time.Minute},
	{"30 d, added up in ClickHouse", "sum by (workflow) (flowgauge_executions_total)", promqlDays * 24 * time.Hour, time.Hour},
	{"24 h, a sum of rates", "sum by (workflow) (rate(flowgauge_executions_total[5m]))", 24 * time.Hour, 5 * time.Minute},
	{"30 d, a sum of rates", "sum by (workflow) (rate(flowgauge_executions_total[1h]))", promqlDays * 24 * time.Hour, 6 * time.Hour},
	{"24 h, rates of single series", "topk(10, rate(flowgauge_executions_total[5m]))", 24 * time.Hour, 5 * time.Minute},
	{"instant", "sum(flowgauge_executions_total)", 0, 0},
	{"instant, rates of single series", "topk(10, rate(flowgauge_executions_total[5m]))", 0, 0},
}

// countSQL is how many executions of a series ended in a minute since the first; count
// is the same.
const countSQL = "1 + (s * 7 + m * 3) % 5"

func count(series, minute int64) int64 { return 1 + (series*7+minute*3)%5 }

// promqlBesidePrometheus is R8: the same counters in ClickHouse's rollups and in a
// time-series database of Prometheus, the same engine over both.
func (b *queryBench) promqlBesidePrometheus(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	client, err := b.store(ctx, "r8")
	if err != nil {
		return err
	}
	defer client.Close()
	options := tsdb.DefaultOptions()
	options.RetentionDuration = 0 // all of it
	peer, err := tsdb.Open(filepath.Join(b.dir, "tsdb"), nil, nil, options, nil)
	if err != nil {
		return err
	}
	defer func() { _ = peer.Close() }()
	figures := fmt.Sprintf("%d series", b.series)
	if there, done := b.made("r8", figures); !there {
		if err := b.makeCounters(ctx, client, peer); err != nil {
			return err
		}
		if err := done(); err != nil {
			return err
		}
	}
	engine, err := query.New(query.Config{Client: client, PendingTTL: time.Hour, Now: func() time.Time { return lastDay }})
	if err != nil {
		return err
	}
	admin, expressions := access.Principal{Tenant: benchTenant, Role: access.RoleAdmin}, parser.NewParser(parser.Options{})
	evaluator := prom.NewEngine(prom.EngineOpts{
		MaxSamples: 200_000_000, Timeout: 10 * time.Minute, LookbackDelta: 5 * time.Minute, Parser: expressions,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
	b.say("%d series of a sample a minute, %d days, median of %d", b.series, promqlDays, b.rounds)
	for _, q := range promqlQuestions {
		var took [2]time.Duration
		var sums [2]float64
		e, err := expressions.ParseExpr(q.text)
		if err != nil {
			return err
		}
		for i, from := range []func() storage.Queryable{promql.NewQueryable(engine, admin, e), func() storage.Queryable { return peer }} {
			times := make([]time.Duration, b.rounds)
			for round := range times {
				began := time.Now()
				if sums[i], err = evaluatePromQL(ctx, evaluator, from(), q.text, q.span, q.step); err != nil {
					return fmt.Errorf("%s: %w", q.name, err)
				}
				times[round] = time.Since(began)
			}
			slices.Sort(times)
			took[i] = times[len(times)/2]
		}
		if math.Abs(sums[0]-sums[1]) > 1e-5*math.Abs(sums[1]) {
			return fmt.Errorf("%s: the answers differ: %g, and %g of Prometheus", q.name, sums[0], sums[1])
		}
		b.say("  %-32s %8.1f ms, Prometheus %8.1f ms, ratio %.2f", q.name, milliseconds(took[0]), milliseconds(took[1]), took[0].Seconds()/took[1].Seconds())
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// evaluatePromQL evaluates up to the data's end and adds all values up.
func evaluatePromQL(ctx context.Context, e *prom.Engine, from storage.Queryable, text string, span, step time.Duration) (sum float64, err error) {
	var q prom.Query
	if step == 0 {
		q, err = e.NewInstantQuery(ctx, from, nil, text, lastDay)
	} else {
		q, err = e.NewRangeQuery(ctx, from, nil, text, lastDay.Add(-span), lastDay, step)
	}
	if err != nil {
		return 0, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return 0, res.Err
	}
	switch v := res.Value.(type) {
	case prom.Matrix:
		for _, s := range v {
			for _, p := range s.Floats {
				sum += p.F
			}
		}
	case prom.Vector:
		for _, s := range v {
			sum += s.F
		}
	}
	return sum, nil
}

// makeCounters fills both databases, day by day.
func (b *queryBench) makeCounters(ctx context.Context, client *clickhouse.Client, peer *tsdb.DB) error {
	totals := make([]float64, b.series)
	refs := make([]storage.SeriesRef, b.series)
	names := make([]labels.Labels, b.series)
	for s := range names {
		names[s] = labels.FromStrings(model.MetricNameLabel, "flowgauge_executions_total", "workflow", "workflow-"+strconv.Itoa(s/5), "version", strconv.Itoa(s%5), "trigger_type", "schedule", "status", "completed")
	}
	for day := range promqlDays {
		from := lastDay.AddDate(0, 0, day-promqlDays)
		for level, width := range map[string]int{"minute": 60, "quarter": 900, "day": 86400} {
			if err := client.Exec(ctx, `INSERT INTO rollup_executions (tenant, level, bucket, workflow_id, workflow_version, trigger_type, completed, version)
SELECT '`+benchTenant+`', {level:String}, toDateTime({from:Int64} + intDiv(b, {width:Int64}) * {width:Int64}), concat('workflow-', toString(intDiv(s, 5))), s % 5, 'schedule', sum(n), 4096
FROM (SELECT number % {series:UInt64} AS s, intDiv(number, {series:UInt64}) * 60 AS b, toUInt64({first:UInt64} + intDiv(number, {series:UInt64})) AS m, `+countSQL+` AS n FROM numbers({rows:UInt64}))
GROUP BY s, intDiv(b, {width:Int64})`, map[string]any{
				"level": level, "from": from.Unix(), "width": width, "series": uint64(b.series), "first": uint64(day * 1440), "rows": uint64(b.series * 1440),
			}); err != nil {
				return err
			}
			if err := client.Exec(ctx, `INSERT INTO bucket_versions (tenant, kind, level, bucket, version, writer)
SELECT '`+benchTenant+`', 'execution', {level:String}, toDateTime({from:Int64} + number * {width:Int64}), 4096, 1 FROM numbers({rows:UInt64})`,
				map[string]any{"level": level, "from": from.Unix(), "width": width, "rows": uint64(86400 / width)}); err != nil {
				return err
			}
		}
		if err := narrow(ctx, client, "execution", from); err != nil {
			return err
		}
		app := peer.Appender(ctx)
		for minute := range int64(1440) {
			for s := range names {
				ref, err := app.Append(refs[s], names[s], (from.Unix()+minute*60)*1000, totals[s])
				if err != nil {
					return err
				}
				refs[s] = ref
				totals[s] += float64(count(int64(s), int64(day)*1440+minute))
			}
			if minute%60 == 59 {
				if err := app.Commit(); err != nil {
					return err
				}
				app = peer.Appender(ctx)
			}
		}
		if err := app.Rollback(); err != nil {
			return err
		}
		if err := peer.Compact(ctx); err != nil {
			return err
		}
	}
	if err := narrowEverywhere(ctx, client); err != nil {
		return err
	}
	app := peer.Appender(ctx)
	for s := range names {
		if _, err := app.Append(refs[s], names[s], lastDay.UnixMilli(), totals[s]); err != nil {
			return err
		}
	}
	return app.Commit()
}
