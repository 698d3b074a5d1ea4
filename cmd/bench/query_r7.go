package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/query"
)

// rollupsBesideRaw measures R7's ratio: that of one engine which finds everything
// rolled up and another for which nothing is, over the same parts on disk.
func (b *queryBench) rollupsBesideRaw(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	rolled, err := b.store(ctx, "rolled")
	if err != nil {
		return err
	}
	defer rolled.Close()
	raw, err := b.store(ctx, "raw")
	if err != nil {
		return err
	}
	defer raw.Close()
	if there, done := b.made("raw", strconv.Itoa(b.rows)); !there {
		if err := makeRaw(ctx, rolled, b.rows, b.say); err != nil {
			return err
		}
		if err := markAll(ctx, raw); err != nil {
			return err
		}
		if err := done(); err != nil {
			return err
		}
	}
	fast, err := asker(rolled, query.Limits{})
	if err != nil {
		return err
	}
	slow, err := asker(raw, query.Limits{Unsettled: 1 << 30, Timeout: 10 * time.Minute})
	if err != nil {
		return err
	}
	b.say("\n%d raw events in 30 days, median and slowest of %d rounds\n%-58s %10s %10s %8s", b.rows, b.rounds, "question", "rollups", "raw rows", "ratio")
	var all [2][]time.Duration
	for _, q := range questions30() {
		var took [2][]time.Duration
		for range b.rounds {
			var frames [2]string
			for i, e := range []*query.Engine{fast, slow} {
				d, res, err := ask(ctx, e, q)
				if err != nil {
					return err
				}
				took[i], frames[i] = append(took[i], d), rowsOf(res)
				if from := strings.Join(res.Meta.Sources, " "); (from == "raw") != (i == 1) {
					return fmt.Errorf("%s: was read from %s", q.title, from)
				}
			}
			if frames[0] != frames[1] {
				return fmt.Errorf("%s: rollups and raw rows differ", q.title)
			}
		}
		all[0], all[1] = append(all[0], took[0]...), append(all[1], took[1]...)
		f, s := quantile(took[0], 0.5), quantile(took[1], 0.5)
		b.say("%-58s %8.0fms %8.0fms %8.4f", q.title, ms(f), ms(s), float64(f)/float64(s))
	}
	f, s := quantile(all[0], 0.95), quantile(all[1], 0.95)
	b.say("R7  p95 from rollups ÷ p95 from raw rows   %.4f   (%.0f ms ÷ %.0f ms; wanted 0.02)", float64(f)/float64(s), ms(f), ms(s))
	return nil
}

// markAll gives a second database the same raw rows, without a copy, and marks all
// of their minutes: for its engine nothing is rolled up.
func markAll(ctx context.Context, to *clickhouse.Client) error {
	for _, month := range []string{"202605", "202606"} {
		if err := to.Exec(ctx, "ALTER TABLE executions ATTACH PARTITION "+month+" FROM rolled.executions", nil); err != nil {
			return err
		}
	}
	return to.Exec(ctx, marksSQL, map[string]any{"from": lastDay.AddDate(0, 0, -30).Unix(), "minutes": 30 * 1440})
}

// fullCardinality measures R7's bound of a second.
func (b *queryBench) fullCardinality(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	figures := fmt.Sprint(b.workflows, b.days, b.minuteDays)
	if err := b.begin(ctx, "full", figures); err != nil {
		return err
	}
	client, err := b.store(ctx, "full")
	if err != nil {
		return err
	}
	defer client.Close()
	if there, done := b.made("full", figures); !there {
		if err := b.makeRollups(ctx, client); err != nil {
			return err
		}
		if err := done(); err != nil {
			return err
		}
	}
	e, err := asker(client, query.Limits{})
	if err != nil {
		return err
	}
	rows, err := b.db.send(ctx, nil, "SELECT concat(toString(sum(rows)), ' rows of rollups, ', formatReadableSize(sum(bytes_on_disk))) FROM system.parts WHERE active AND database = 'full' AND (table LIKE 'rollup%' OR table LIKE 'narrow%')")
	if err != nil {
		return err
	}
	b.say("\na billion events a day, %d workflows, %d days: %s\n%-58s %10s %10s %12s", b.workflows, b.days, strings.TrimSpace(string(rows)), "question of 30 days", "p50", "p95", "rows read")
	var all []time.Duration
	for _, q := range append(questions30(), questionsFull()...) {
		var took []time.Duration
		var read uint64
		for range b.rounds {
			d, res, err := ask(ctx, e, q)
			if err != nil {
				return err
			}
			took, read = append(took, d), res.Meta.RowsRead
		}
		all = append(all, took...)
		b.say("%-58s %8.0fms %8.0fms %12d", q.title, ms(quantile(took, 0.5)), ms(quantile(took, 0.95)), read)
	}
	b.say("R7  p95 at full cardinality   %.0f ms   (slowest %.0f ms; wanted below 1000 ms)", ms(quantile(all, 0.95)), ms(slices.Max(all)))
	return nil
}

// A thirty is a question about 30 days.
type thirty struct {
	title string
	by    access.Principal
	query.Request
}

// questions30 are the panels of a dashboard.
func questions30() []thirty {
	admin := access.Principal{Tenant: benchTenant, Role: access.RoleAdmin}
	viewer := access.Principal{Tenant: benchTenant, Role: access.RoleViewer, UserID: "user-42"}
	from := lastDay.AddDate(0, 0, -30)
	ask := func(title string, by access.Principal, r query.Request) thirty {
		r.From, r.To = from, lastDay
		return thirty{title, by, r}
	}
	return []thirty{
		ask("totals: executions, success rate, p95 duration", admin, query.Request{Metrics: []string{"executions", "success_rate", "duration_p95"}}),
		ask("completed and failed by day", admin, query.Request{Metrics: []string{"executions_completed", "executions_failed"}, Granularity: query.Day}),
		ask("executions by hour in Berlin", admin, query.Request{Metrics: []string{"executions", "success_rate"}, Granularity: query.Hour, TimeZone: "Europe/Berlin"}),
		ask("p50 and p95 duration by day in New York", admin, query.Request{Metrics: []string{"duration_p50", "duration_p95"}, Granularity: query.Day, TimeZone: "America/New_York"}),
		ask("executions and p95 duration by hour in Berlin", admin, query.Request{Metrics: []string{"executions", "duration_p95"}, Granularity: query.Hour, TimeZone: "Europe/Berlin"}),
		ask("ten busiest workflows: success rate, p95 duration", admin, query.Request{Metrics: []string{"executions", "success_rate", "duration_p95"}, GroupBy: []string{"workflow"}, Limit: 10}),
		ask("failures by error type and day", admin, query.Request{Metrics: []string{"executions_failed"}, GroupBy: []string{"error_type"}, Granularity: query.Day}),
		ask("one workflow by hour, p95 duration", admin, query.Request{
			Metrics: []string{"executions", "duration_p95"}, Granularity: query.Hour,
			Filters: []query.Filter{{Dimension: "workflow", Operator: query.In, Values: []string{"workflow-7"}}},
		}),
		ask("failures by error type and day in Berlin", admin, query.Request{Metrics: []string{"executions_failed"}, GroupBy: []string{"error_type"}, Granularity: query.Day, TimeZone: "Europe/Berlin"}),
		ask("one workflow's failures by error type and day in Kolkata", admin, query.Request{
			Metrics: []string{"executions_failed"}, GroupBy: []string{"error_type"}, Granularity: query.Day, TimeZone: "Asia/Kolkata",
			Filters: []query.Filter{{Dimension: "workflow", Operator: query.In, Values: []string{"workflow-7"}}},
		}),
		ask("five busiest workflows by hour in Berlin, p95 duration", admin, query.Request{
			Metrics: []string{"executions", "duration_p95"}, GroupBy: []string{"workflow"}, Limit: 5, Granularity: query.Hour, TimeZone: "Europe/Berlin",
		}),
		ask("a viewer's own by hour in Berlin, p95 duration", viewer, query.Request{Metrics: []string{"executions", "duration_p95"}, Granularity: query.Hour, TimeZone: "Europe/Berlin"}),
		ask("a viewer's own: executions, p95 duration by day", viewer, query.Request{Metrics: []string{"executions", "duration_p95"}, Granularity: query.Day}),
		ask("executing users by day", admin, query.Request{Metrics: []string{"executing_users"}, Granularity: query.Day}),
	}
}

// questionsFull ask for what has rollups at full cardinality only.
func questionsFull() []thirty {
	admin := access.Principal{Tenant: benchTenant, Role: access.RoleAdmin}
	from := lastDay.AddDate(0, 0, -30)
	return []thirty{
		{"dollars by action type and day", admin, query.Request{Metrics: []string{"dollars"}, GroupBy: []string{"action_type"}, Granularity: query.Day, From: from, To: lastDay}},
		{"dollars by hour in Berlin", admin, query.Request{Metrics: []string{"dollars"}, Granularity: query.Hour, TimeZone: "Europe/Berlin", From: from, To: lastDay}},
		{"ten slowest steps by p95 duration", admin, query.Request{Metrics: []string{"step_duration_p95"}, GroupBy: []string{"workflow", "step"}, Limit: 10, From: from, To: lastDay}},
		{"executions since half past three, 30 days ago", admin, query.Request{Metrics: []string{"executions", "duration_p95"}, From: from.Add(3*time.Hour + 34*time.Minute), To: lastDay.Add(-17 * time.Minute)}},
	}
}

func ask(ctx context.Context, e *query.Engine, q thirty) (time.Duration, *query.Result, error) {
	began := time.Now()
	res, err := e.Do(ctx, q.by, q.Request)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", q.title, err)
	}
	return time.Since(began), res, nil
}

// rowsOf are an answer's figures as text.
func rowsOf(r *query.Result) string {
	var out strings.Builder
	for row := range r.Frame.Rows() {
		for _, f := range r.Frame.Fields {
			v, _ := f.ConcreteAt(row)
			fmt.Fprint(&out, v, "|")
		}
	}
	return out.String()
}

func quantile(all []time.Duration, q float64) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, int(q*float64(len(all))))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
