package clustertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/backend/rollup"
	"github.com/flowgauge/flowgauge/collector/sink"
)

// The sample's period crosses months, and Berlin's change of the clock.
var (
	from = time.Date(2026, 3, 28, 17, 0, 0, 0, time.UTC)
	to   = from.Add(length)
)

const length = 6 * 24 * time.Hour

// collector is a log with a sink, which stores by way of one node.
type collector struct {
	log    *wal.Log
	client *clickhouse.Client
}

func newCollector(t *testing.T, client *clickhouse.Client) *collector {
	t.Helper()
	log, err := wal.New(wal.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	return &collector{log: log, client: client}
}

func (c *collector) accept(t *testing.T, events []event.Event) {
	t.Helper()
	records := make([][]byte, len(events))
	for i := range events {
		records[i] = event.AppendBinary(nil, &events[i])
	}
	require.NoError(t, c.log.Append(t.Context(), records))
}

// run stores what the log accepts until it is stopped.
func (c *collector) run(t *testing.T) (stop func()) {
	t.Helper()
	s, err := sink.New(sink.Config{Consumer: c.log, Client: c.client, BatchSize: 300, Linger: 10 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

// drained waits until all that was accepted is stored.
func (c *collector) drained(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return c.log.Stats().Pending == 0 }, 2*time.Minute, 10*time.Millisecond)
}

func (c *collector) store(t *testing.T, events []event.Event) {
	t.Helper()
	c.accept(t, events)
	stop := c.run(t)
	c.drained(t)
	stop()
}

// keepHistory makes the views that keep every version.
func keepHistory(t *testing.T, client *clickhouse.Client) {
	t.Helper()
	k, err := history.New(history.Config{Client: client, Days: 30, Holder: "test", Grace: -1})
	require.NoError(t, err)
	for range 2 {
		_, err := k.Advance(t.Context())
		require.NoError(t, err)
	}
}

func newRoller(t *testing.T, client *clickhouse.Client) *rollup.Roller {
	t.Helper()
	r, err := rollup.New(rollup.Config{Client: client, Interval: 50 * time.Millisecond})
	require.NoError(t, err)
	return r
}

// settle rolls up until nothing is marked.
func settle(t *testing.T, r *rollup.Roller) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, err := r.Settle(t.Context())
		require.NoError(t, err)
		return n == 0
	}, 2*time.Minute, 50*time.Millisecond)
}

func newEngine(t *testing.T, client *clickhouse.Client, unsettled int) *query.Engine {
	t.Helper()
	e, err := query.New(query.Config{
		Client: client, Now: func() time.Time { return to.Add(time.Hour) }, PendingTTL: time.Hour, Limits: query.Limits{Unsettled: unsettled, Timeout: 5 * time.Minute},
	})
	require.NoError(t, err)
	return e
}

// text renders an answer's rows.
func text(r *query.Result) []string {
	var out []string
	for row := range r.Frame.Rows() {
		var line strings.Builder
		for _, f := range r.Frame.Fields {
			value := f.At(row)
			if exact, ok := r.Exact[f.Name]; ok {
				value = exact[row]
			} else if number, ok := value.(*float64); ok {
				value = "none"
				if number != nil {
					value = strconv.FormatFloat(*number, 'f', -1, 64)
				}
			}
			fmt.Fprintf(&line, "%s=%v ", f.Name, value)
		}
		out = append(out, line.String())
	}
	return out
}

func ask(t *testing.T, e *query.Engine, p access.Principal, r query.Request) []string {
	t.Helper()
	res, err := e.Do(t.Context(), p, r)
	require.NoError(t, err, "%+v", r)
	return text(res)
}

func admin(tenant string) access.Principal {
	return access.Principal{Tenant: tenant, Role: access.RoleAdmin}
}

// everything asks about all metrics in several ways, those of a source together,
// and what else there is to ask.
func everything(t *testing.T, e *query.Engine, tenant string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	together := map[string][]metric.Metric{}
	for _, m := range metric.All().Metrics {
		if slices.Contains(m.Sources, metric.SourceIngest) || slices.Contains(m.Sources, metric.SourcePending) {
			continue // They are about this run of the test.
		}
		key := fmt.Sprint(m.Sources, m.Dimensions)
		together[key] = append(together[key], m)
	}
	for key, metrics := range together {
		whole := query.Request{From: from.Add(7 * time.Minute), To: to.Add(-11 * time.Second)}
		for _, m := range metrics {
			whole.Metrics = append(whole.Metrics, m.Name)
		}
		inTime, by := whole, whole
		inTime.Granularity, inTime.TimeZone = query.Hour, "Europe/Berlin"
		if slices.Contains(metrics[0].Sources, metric.SourceRolling) {
			inTime.Granularity = query.Day // It counts whole days.
		}
		out[key] = ask(t, e, admin(tenant), whole)
		out[key+" in time"] = ask(t, e, admin(tenant), inTime)
		if dims := metrics[0].Dimensions; slices.Contains(dims, metric.User) {
			res, err := e.Do(t.Context(), access.Principal{Tenant: tenant, Role: access.RoleViewer, UserID: "ann"}, whole)
			if refused := (*query.AccessError)(nil); !errors.As(err, &refused) {
				require.NoError(t, err)
				out[key+" of ann"] = text(res)
			}
		}
		for _, d := range metrics[0].Dimensions {
			by.GroupBy, by.Limit, by.Granularity = []string{d}, 2, query.Day
			out[key+" by "+d] = ask(t, e, admin(tenant), by)
		}
	}
	for _, d := range []string{metric.Workflow, metric.User, metric.Action, metric.StepType} {
		values, err := e.Values(t.Context(), admin(tenant), query.ValuesRequest{Dimension: d, From: from, To: to})
		require.NoError(t, err)
		out["values of "+d] = values
	}
	conflicts, err := e.Conflicts(t.Context(), admin(tenant), query.Request{From: from, To: to})
	require.NoError(t, err)
	require.NotZero(t, conflicts.Frame.Rows())
	for _, line := range text(conflicts) { // The logs received them at different moments.
		line, _, _ = strings.Cut(line, "received_at=")
		out["conflicts"] = append(out["conflicts"], line)
	}
	groups, err := e.Do(t.Context(), admin(tenant), query.Request{Kind: query.KindErrors, From: from, To: to})
	require.NoError(t, err)
	for _, f := range groups.Frame.Fields { // Which message is the sample is open.
		if f.Name == "count" || f.Name == "error_type" || f.Name == "message" {
			for row := range groups.Frame.Rows() {
				out["errors: "+f.Name] = append(out["errors: "+f.Name], fmt.Sprint(f.At(row)))
			}
		}
	}
	return out
}

// rolledUp returns the rows of all rollups that count, without their versions.
func rolledUp(t *testing.T, client *clickhouse.Client) []string {
	t.Helper()
	var out []string
	for kind, name := range map[string]string{"execution": "executions", "step": "steps", "cost": "costs", "activity": "activity"} {
		for _, table := range []string{"rollup_" + name, "narrow_" + name} {
			out = append(out, lines(t, client, fmt.Sprintf(`SELECT concat('%s ', toString(tuple(* EXCEPT (version)))) AS line FROM %s
WHERE (tenant, level, bucket, version) IN (SELECT tenant, level, bucket, max(version) FROM bucket_versions WHERE kind = '%s' GROUP BY tenant, level, bucket)`,
				table, table, kind))...)
		}
	}
	slices.Sort(out)
	return out
}

func tenantsOn(t *testing.T, client *clickhouse.Client) []string {
	t.Helper()
	return lines(t, client, `SELECT DISTINCT tenant AS line FROM (
    SELECT tenant FROM executions_local UNION ALL SELECT tenant FROM executions_by_id_local UNION ALL SELECT tenant FROM steps_local
    UNION ALL SELECT tenant FROM inheriting_steps_local UNION ALL SELECT tenant FROM costs_local UNION ALL SELECT tenant FROM activity_local
    UNION ALL SELECT tenant FROM bucket_marks_local
) ORDER BY line`)
}

func TestEventsOnTwoShards(t *testing.T) {
	c := startCluster(t, nothing)
	nodes := []*clickhouse.Client{c.client(t, 0), c.client(t, 1)}
	require.NoError(t, schema.Migrate(t.Context(), nodes[1]))
	alone := schematest.Client(t) // one node that is told the same
	keepHistory(t, nodes[1])
	keepHistory(t, alone)
	collectors := []*collector{newCollector(t, nodes[0]), newCollector(t, nodes[1])}
	reference := newCollector(t, alone)
	roller, referenceRoller := newRoller(t, nodes[1]), newRoller(t, alone)

	var ofEachShard []string // a tenant
	var deliveries []event.Event
	deliver := func(t *testing.T, by *collector, events []event.Event) {
		t.Helper()
		deliveries = append(deliveries, events...)
		by.store(t, events)
		reference.store(t, events)
	}
	// counted asks about what was counted here, one by one, through both nodes.
	counted := func(t *testing.T, unsettled int, of ...string) {
		t.Helper()
		for _, tenant := range of {
			want, metrics := count(deliveries, tenant)
			for _, client := range nodes {
				got := ask(t, newEngine(t, client, unsettled), admin(tenant), query.Request{Metrics: metrics, From: from.Add(-length), To: to.Add(length)})
				require.Equal(t, []string{want}, got, tenant)
			}
		}
	}
	// same asks about everything, a tenant of each shard through the other's node.
	same := func(t *testing.T) {
		t.Helper()
		for node, tenant := range ofEachShard {
			want := everything(t, newEngine(t, alone, 0), tenant)
			require.Equal(t, want, everything(t, newEngine(t, nodes[1-node], 0), tenant), tenant)
		}
	}
	first := map[string][]event.Event{}
	for i, tenant := range tenants {
		first[tenant] = sample(tenant, from, length, 12, uint64(i))
		deliver(t, collectors[i%2], first[tenant])
	}

	t.Run("both shards hold rows, and no tenant is on both", func(t *testing.T) {
		var all []string
		for _, client := range nodes {
			here := tenantsOn(t, client)
			require.NotEmpty(t, here)
			all = append(all, here...)
		}
		require.ElementsMatch(t, tenants, all)
	})
	ofEachShard = []string{tenantsOn(t, nodes[0])[0], tenantsOn(t, nodes[1])[0]}
	t.Run("not rolled up", func(t *testing.T) {
		counted(t, 1<<30, ofEachShard...)
		for _, tenant := range ofEachShard { // What takes joins and subqueries to read from raw rows.
			for _, r := range []query.Request{
				{Metrics: []string{"steps", "step_duration_p90"}, GroupBy: []string{metric.Workflow, metric.User}},
				{Metrics: []string{"sessions"}, Granularity: query.Day},
				{Metrics: []string{"executions", "credits"}, GroupBy: []string{metric.User}, Limit: 2, Granularity: query.Day},
			} {
				r.From, r.To = from, from.Add(length/2)
				want := ask(t, newEngine(t, alone, 1<<30), admin(tenant), r)
				for _, client := range nodes {
					require.Equal(t, want, ask(t, newEngine(t, client, 1<<30), admin(tenant), r), "%s %v", tenant, r.Metrics)
				}
			}
		}
	})
	settle(t, roller)
	settle(t, referenceRoller)
	t.Run("rolled up", func(t *testing.T) {
		counted(t, 0, tenants...)
		require.Equal(t, rolledUp(t, alone), rolledUp(t, nodes[0]))
	})

	between, before := time.Now(), len(deliveries)
	for i, tenant := range tenants {
		deliver(t, collectors[(i+1)%2], first[tenant])                                // duplicates
		deliver(t, collectors[i%2], corrected(first[tenant], 26*time.Hour))           // by way of the other node
		deliver(t, collectors[i%2], sample(tenant, from, length/3, 6, 100+uint64(i))) // late
		deliver(t, collectors[(i+1)%2], sample(tenant, to.Add(-time.Hour), 30*time.Minute, 5, 200+uint64(i)))
	}
	t.Run("partly rolled up", func(t *testing.T) { counted(t, 1<<30, ofEachShard...) })
	settle(t, roller)
	settle(t, referenceRoller)
	t.Run("corrected", func(t *testing.T) {
		counted(t, 0, tenants...)
		same(t)
		require.Equal(t, rolledUp(t, alone), rolledUp(t, nodes[1]))
	})

	t.Run("as it stood before the corrections", func(t *testing.T) {
		for node, tenant := range ofEachShard {
			one, e := newEngine(t, alone, 0), newEngine(t, nodes[1-node], 0)
			want, metrics := count(deliveries[:before], tenant)
			require.Equal(t, []string{want}, ask(t, e, admin(tenant), query.Request{Metrics: metrics, From: from.Add(-length), To: to.Add(length), AsOf: between}))
			for _, r := range []query.Request{
				{Metrics: []string{"steps", "step_credits"}, GroupBy: []string{metric.Workflow, metric.User}},
				{Metrics: []string{"sessions", "executions_running", "execution_conflicts"}},
				{Metrics: []string{"executions", "credits"}, GroupBy: []string{metric.User}, Granularity: query.Day},
				{Kind: query.KindRestatements, Metrics: []string{"steps"}, GroupBy: []string{metric.Workflow}, Params: map[string]string{"since": between.Format(time.RFC3339Nano)}},
				{Kind: query.KindRestatements, Metrics: []string{"dollars", "executions"}, Granularity: query.Day, Params: map[string]string{"since": between.Format(time.RFC3339Nano)}},
			} {
				r.From, r.To = from, to
				if r.AsOf = between; r.Kind != "" {
					r.AsOf = time.Now().Add(time.Hour)
				}
				require.Equal(t, ask(t, one, admin(tenant), r), ask(t, e, admin(tenant), r), "%s %v", tenant, r.Metrics)
			}
		}
	})

	t.Run("computed again", func(t *testing.T) {
		before := rolledUp(t, nodes[0])
		marked, err := rollup.Mark(t.Context(), nodes[0], "", from.Add(-length), to.Add(length))
		require.NoError(t, err)
		waiting, err := rollup.Pending(t.Context(), nodes[1], marked)
		require.NoError(t, err)
		require.NotZero(t, waiting)
		settle(t, roller)
		for _, client := range nodes {
			waiting, err = rollup.Pending(t.Context(), client, marked)
			require.NoError(t, err)
			require.Zero(t, waiting)
		}
		require.Equal(t, before, rolledUp(t, nodes[0]))
	})

	t.Run("nodes killed while events come", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- roller.Run(ctx) }()
		for round := range 2 { // each node once
			var stops []func()
			for _, by := range collectors {
				stops = append(stops, by.run(t))
			}
			for i, tenant := range tenants {
				// Each tenant's come by one collector: which of two logs was first is open.
				events := slices.Concat(sample(tenant, from, length, 10, uint64(1000+100*round+i)), corrected(first[tenant], time.Duration(round)*time.Hour))
				deliveries = append(deliveries, events...)
				collectors[i%2].accept(t, events)
				reference.store(t, events)
			}
			kill(t, c, round%2)
			for i, by := range collectors {
				by.drained(t)
				stops[i]()
			}
		}
		cancel()
		require.NoError(t, <-ended)
		settle(t, roller)
		settle(t, referenceRoller)
		counted(t, 0, tenants...)
		require.Equal(t, rolledUp(t, alone), rolledUp(t, nodes[0]))
	})
	t.Run("a shard that is away", func(t *testing.T) {
		here, there := ofEachShard[0], ofEachShard[1]
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // At once.
		require.NoError(t, c.engines[1].Stop(ctx))
		e := newEngine(t, nodes[0], 0)
		want, metrics := count(deliveries, here)
		r := query.Request{Metrics: metrics, From: from.Add(-length), To: to.Add(length)}
		require.Equal(t, []string{want}, ask(t, e, admin(here), r))
		_, err := e.Do(t.Context(), admin(there), r)
		require.Equal(t, clickhouse.ClassUnavailable, clickhouse.ClassOf(err), "%v", err)
	})
}
