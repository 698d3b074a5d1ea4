package main

import (
	"context"
	"errors"
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
	figures := fmt.Sprintf("%d series", b.series)
	if err := b.begin(ctx, "r8", figures); err != nil {
		return err
	}
	client, err := b.store(ctx, "r8")
	if err != nil {
		return err
	}
	defer client.Close()
	options := tsdb.DefaultOptions()
	options.RetentionDuration = 0 // all of it
	// As a Prometheus server does that keeps as many days: blocks of a tenth of them.
	options.MaxBlockDuration = (promqlDays * 24 * time.Hour / 10).Milliseconds()
	peer, err := tsdb.Open(filepath.Join(b.dir, "r8-peer"), nil, nil, options, nil)
	if err != nil {
		return err
	}
	defer func() { _ = peer.Close() }()
	if there, done := b.made("r8", figures); !there {
		if err := b.makeCounters(ctx, client, peer); err != nil {
			return err
		}
		if err := done(); err != nil {
			return err
		}
	}
	if err := peer.Compact(ctx); err != nil {
		return err
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
	b.say("%d series of a sample a minute, %d days, %d blocks of Prometheus, median of %d", b.series, promqlDays, len(peer.Blocks()), b.rounds)
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

// makeCounters fills both databases, a day at a time. It goes on where it was interrupted.
func (b *queryBench) makeCounters(ctx context.Context, client *clickhouse.Client, peer *tsdb.DB) error {
	began := time.Now()
	done, err := lastNarrow(ctx, client, "narrow_executions")
	if err != nil {
		return err
	}
	filler := newCounterFiller(peer, b.series)
	for day := range promqlDays {
		from := lastDay.AddDate(0, 0, day-promqlDays)
		if !from.Before(done) { // done itself may not have all of its rows
			if err := b.makeCounterRollups(ctx, client, day, from); err != nil {
				return err
			}
		}
		if err := filler.day(ctx, from, int64(day)*1440); err != nil {
			return err
		}
		b.say("%s  after %.0f s", from.Format(time.DateOnly), time.Since(began).Seconds())
	}
	if err := narrowEverywhere(ctx, client); err != nil {
		return err
	}
	return filler.last(ctx)
}

// makeCounterRollups writes the rollups of a day.
func (b *queryBench) makeCounterRollups(ctx context.Context, client *clickhouse.Client, day int, from time.Time) error {
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
	return narrow(ctx, client, "execution", from)
}

// A counterFiller appends the counters' samples to Prometheus' database, those that are
// not there yet.
type counterFiller struct {
	db     *tsdb.DB
	totals []float64
	refs   []storage.SeriesRef
	names  []labels.Labels
}

func newCounterFiller(db *tsdb.DB, series int) *counterFiller {
	f := &counterFiller{db: db, totals: make([]float64, series), refs: make([]storage.SeriesRef, series), names: make([]labels.Labels, series)}
	for s := range f.names {
		f.names[s] = labels.FromStrings(model.MetricNameLabel, "flowgauge_executions_total", "workflow", "workflow-"+strconv.Itoa(s/5), "version", strconv.Itoa(s%5), "trigger_type", "schedule", "status", "completed")
	}
	return f
}

// day appends the minutes of a day, the first of which is the given one of all. An hour
// is there as a whole or not at all.
func (f *counterFiller) day(ctx context.Context, from time.Time, first int64) error {
	for hour := range int64(24) {
		there := from.UnixMilli()+hour*time.Hour.Milliseconds() <= f.newest()
		app := f.db.Appender(ctx)
		for minute := hour * 60; minute < (hour+1)*60; minute++ {
			if !there {
				if err := f.append(app, from.UnixMilli()+minute*time.Minute.Milliseconds()); err != nil {
					return errors.Join(err, app.Rollback())
				}
			}
			for s := range f.totals {
				f.totals[s] += float64(count(int64(s), first+minute))
			}
		}
		if err := app.Commit(); err != nil {
			return err
		}
	}
	return f.db.Compact(ctx)
}

// newest is the time of the newest sample. A head that is compacted away has none.
func (f *counterFiller) newest() int64 {
	newest := f.db.Head().MaxTime()
	if blocks := f.db.Blocks(); len(blocks) > 0 {
		newest = max(newest, blocks[len(blocks)-1].MaxTime()-1) // the end of a block is not in it
	}
	return newest
}

func (f *counterFiller) append(app storage.Appender, at int64) (err error) {
	for s, name := range f.names {
		if f.refs[s], err = app.Append(f.refs[s], name, at, f.totals[s]); err != nil {
			return err
		}
	}
	return nil
}

// last appends the sample at the end of the data.
func (f *counterFiller) last(ctx context.Context) error {
	if f.newest() >= lastDay.UnixMilli() {
		return nil
	}
	app := f.db.Appender(ctx)
	if err := f.append(app, lastDay.UnixMilli()); err != nil {
		return errors.Join(err, app.Rollback())
	}
	return app.Commit()
}
