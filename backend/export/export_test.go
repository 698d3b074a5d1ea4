package export_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/export"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestMain(m *testing.M) { enginetest.Main(m, hosttest.Remove) }

// six is a moment to export at.
var six = time.Date(2026, 6, 11, 6, 5, 0, 0, time.UTC)

func hour(h int) time.Time { return time.Date(2026, 6, 11, h, 0, 0, 0, time.UTC) }

// world is a database with costs, at a time of its own.
type world struct {
	t      *testing.T
	store  *querytest.Store
	now    atomic.Pointer[time.Time]
	events int
	limits query.Limits
	policy query.Policies
	log    hosttest.Log
	audit  records
}

// records is an audit log.
type records struct {
	mu  sync.Mutex
	all []query.AuditRecord
}

func (r *records) Audit(_ context.Context, rec query.AuditRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, rec)
	return nil
}

func (r *records) list() []query.AuditRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]query.AuditRecord(nil), r.all...)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, store: querytest.New(t)}
	w.at(six)
	return w
}

func (w *world) at(now time.Time) { w.now.Store(&now) }

func (w *world) insert(tenant, workflow, dollars string, at time.Time) {
	w.t.Helper()
	d, err := event.ParseDecimal([]byte(dollars))
	require.NoError(w.t, err)
	w.events++
	w.store.Insert(w.t, event.Event{
		Kind: event.KindCost, Tenant: tenant, ID: strconv.Itoa(w.events), Time: at.UnixMilli(), PreviousTime: event.NoTime,
		WorkflowID: workflow, UserID: "ann", ActionType: "llm", Dollars: d,
	})
}

func (w *world) spend(tenant, workflow, dollars string, at time.Time) {
	w.t.Helper()
	w.insert(tenant, workflow, dollars, at)
	w.store.Settle(w.t)
}

// sender is one for exports, as a process has it.
func (w *world) sender(all ...export.Export) (*export.Sender, *prometheus.Registry, error) {
	now := func() time.Time { return *w.now.Load() }
	engine, err := query.New(query.Config{Client: w.store.ReadOnly(w.t), Now: now, PendingTTL: -1, Limits: w.limits, Policies: w.policy, Auditor: &w.audit})
	require.NoError(w.t, err)
	registry := prometheus.NewRegistry()
	s, err := export.New(export.Config{
		Client: w.store.Client, Holder: rand.Text(), Exports: all, Engine: engine, Interval: 50 * time.Millisecond, Now: now,
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Registerer: registry,
	})
	return s, registry, err
}

// run exports until what it returns is called, which is how a process ends.
func (w *world) run(all ...export.Export) (stop func(), metrics *prometheus.Registry) {
	w.t.Helper()
	s, metrics, err := w.sender(all...)
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(w.t, s.Run(ctx)) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(stop)
	return stop, metrics
}

func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	if !assert.Eventually(w.t, is, 2*time.Minute, 20*time.Millisecond, what) {
		w.t.Fatal(w.log.String())
	}
}

// value of a metric with labels; -1 is none.
func value(t *testing.T, from *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	metrics:
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !strings.Contains(strings.Join(labels, " "), l.GetName()+"="+l.GetValue()) {
					continue metrics
				}
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return -1
}

func outcomes(t *testing.T, from *prometheus.Registry, name, outcome string) float64 {
	return value(t, from, "flowgauge_exports_total", "export="+name, "outcome="+outcome)
}

// told is what test-misbehave was given, line by line.
type told struct {
	Delivery, Tenant, Name string
	From, To               int64
	Part, Rows, Columns    int
	Last                   bool
	Dollars                []string
}

// target is test-misbehave in a process of its own.
type target struct {
	export.Target
	t    *testing.T
	file string
}

func newTarget(t *testing.T, settings map[string]any) *target {
	t.Helper()
	file := filepath.Join(t.TempDir(), "told")
	with := map[string]any{"told": file}
	for name, value := range settings {
		with[name] = value
	}
	text, err := json.Marshal(with)
	require.NoError(t, err)
	dir := hosttest.Misbehave(t, func(m *host.Manifest, _ string) { m.Extends = []contract.Extension{contract.ExtensionExporter} })
	h, err := host.New(host.Config{Dir: dir, Use: []host.Use{{ID: "test-misbehave", Settings: text, Timeout: 2 * time.Second}}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return &target{export.Remote{Plugin: h.Plugins(contract.ExtensionExporter)[0]}, t, file}
}

// of is what an export has brought.
func (p *target) of(name string) []told {
	p.t.Helper()
	text, err := os.ReadFile(p.file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(p.t, err)
	var out []told
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var one told
		require.NoError(p.t, json.Unmarshal([]byte(line), &one))
		if one.Name == name {
			out = append(out, one)
		}
	}
	return out
}

// hours are those in which the periods of deliveries begin.
func hours(all []told) []int {
	var out []int
	for _, one := range all {
		out = append(out, time.UnixMilli(one.From).UTC().Hour())
	}
	return out
}

func costs(name, tenant string, to export.Target) export.Export {
	return export.Export{
		Name: name, Tenant: tenant, Every: time.Hour, Delay: 10 * time.Minute, Since: hour(3), To: to,
		Request: query.Request{Metrics: []string{"dollars"}, GroupBy: []string{"workflow"}},
	}
}

// Each period is delivered once, after its delay and in order, to whom it belongs, also when
// processes come and go and the question changes.
func TestPeriodsAreDeliveredOnce(t *testing.T) {
	p := newTarget(t, nil)
	w := newWorld(t)
	w.spend("acme", "a", "0.100000000000001", hour(3).Add(time.Minute))
	w.spend("acme", "b", "7", hour(3).Add(2*time.Minute))
	w.spend("other", "a", "99", hour(4).Add(time.Minute))
	ours, theirs := costs("ours", "acme", p), costs("theirs", "other", p)
	stop, metrics := w.run(ours, theirs)
	w.eventually("what is over is delivered", func() bool { return outcomes(t, metrics, "ours", "delivered") == 2 })
	w.eventually("that of the other tenant too", func() bool { return outcomes(t, metrics, "theirs", "delivered") == 2 })
	assert.InDelta(t, hour(5).Unix(), value(t, metrics, "flowgauge_export_delivered_until_timestamp_seconds", "export=ours"), 0)
	first := p.of("ours")
	require.Len(t, first, 2, "the delay of the last one is not over: %v", first)
	assert.Equal(t, []int{3, 4}, hours(first))
	assert.Equal(t, []string{"0.100000000000001", "7"}, first[0].Dollars, "amounts are exact")
	assert.Equal(t, told{Delivery: first[1].Delivery, Tenant: "acme", Name: "ours", From: hour(4).UnixMilli(), To: hour(5).UnixMilli(), Last: true, Columns: 2}, first[1], "nothing is a delivery too")
	assert.Equal(t, []string{"99"}, p.of("theirs")[1].Dollars)
	assert.Equal(t, "other", p.of("theirs")[1].Tenant)

	w.spend("acme", "a", "5", hour(5).Add(59*time.Minute)) // late, and in time
	w.at(six.Add(5 * time.Minute))
	w.eventually("the period is delivered", func() bool { return outcomes(t, metrics, "ours", "delivered") == 3 })
	w.eventually("that of the other tenant too", func() bool { return outcomes(t, metrics, "theirs", "delivered") == 3 })
	assert.Equal(t, []string{"5"}, p.of("ours")[2].Dollars)
	stop()
	assert.InDelta(t, -1, value(t, metrics, "flowgauge_export_delivered_until_timestamp_seconds", "export=ours"), 0, "who does not lead says nothing")

	// The next process has another question, and an export more, which begins now.
	w.spend("acme", "a", "6", hour(6).Add(time.Minute))
	w.at(hour(8).Add(30 * time.Minute))
	ours.Request.GroupBy = nil
	fresh := costs("fresh", "acme", p)
	fresh.Since = time.Time{}
	stop, metrics = w.run(ours, theirs, fresh)
	w.eventually("it goes on", func() bool { return outcomes(t, metrics, "ours", "delivered") == 2 })
	w.eventually("so does the other tenant's", func() bool { return outcomes(t, metrics, "theirs", "delivered") == 2 }) // a question that ends with the process is on record as failed
	assert.Equal(t, []int{3, 4, 5, 6, 7}, hours(p.of("ours")))
	assert.Equal(t, 1, p.of("ours")[3].Columns)
	w.eventually("the new one has begun", func() bool {
		return value(t, metrics, "flowgauge_export_delivered_until_timestamp_seconds", "export=fresh") == float64(hour(8).Unix())
	})
	stop()
	w.at(hour(10).Add(30 * time.Minute))
	_, metrics = w.run(fresh)
	w.eventually("it goes on where it began", func() bool { return outcomes(t, metrics, "fresh", "delivered") == 2 })
	assert.Equal(t, []int{8, 9}, hours(p.of("fresh")))

	ids := map[string]bool{}
	n := 0
	for _, name := range []string{"ours", "theirs", "fresh"} {
		for _, one := range p.of(name) {
			ids[one.Delivery] = true
			n++
		}
	}
	assert.Len(t, ids, n, "different deliveries have different ids")
	recorded := w.audit.list()
	require.Len(t, recorded, n, "what leaves is in the audit log")
	for _, r := range recorded {
		assert.Equal(t, []string{"export", "test-misbehave"}, []string{r.Surface, r.Params["plugin"]})
		assert.Equal(t, access.RoleAdmin, r.Principal.Role)
		assert.NotEmpty(t, r.Params["export"])
		assert.Equal(t, query.OutcomeAnswered, r.Outcome)
	}
}

// Longer and shorter periods begin where the others ended, and nothing is left out.
func TestPeriodsOfAnotherLength(t *testing.T) {
	p := newTarget(t, nil)
	w := newWorld(t)
	x := costs("costs", "acme", p)
	stop, metrics := w.run(x)
	w.eventually("hours are delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 2 })
	stop()
	x.Every = 24 * time.Hour
	w.at(hour(24).Add(time.Hour))
	stop, metrics = w.run(x)
	w.eventually("the day is delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 1 })
	stop()
	day := p.of("costs")[2]
	assert.Equal(t, []int64{hour(0).UnixMilli(), hour(24).UnixMilli()}, []int64{day.From, day.To})
	x.Every = 15 * time.Minute
	_, metrics = w.run(x)
	w.eventually("quarters are delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 3 })
	assert.Equal(t, hour(24).UnixMilli(), p.of("costs")[3].From)
}

// A plugin that was down gets all that it has missed, in order.
func TestAPluginThatComesBackCatchesUp(t *testing.T) {
	t.Setenv("MISBEHAVE_AT_START", "exit")
	p := newTarget(t, nil)
	w := newWorld(t)
	_, metrics := w.run(costs("costs", "acme", p))
	w.eventually("the log says that it is down", func() bool { return strings.Contains(w.log.String(), "plugin test-misbehave is down") })
	w.at(hour(24).Add(time.Hour))
	require.Empty(t, p.of("costs"))
	assert.Empty(t, w.audit.list(), "nobody is asked for it")
	t.Setenv("MISBEHAVE_AT_START", "")
	w.eventually("it has caught up", func() bool { return outcomes(t, metrics, "costs", "delivered") == 21 })
	var want []int
	for h := 3; h < 24; h++ {
		want = append(want, h)
	}
	assert.Equal(t, want, hours(p.of("costs")))
	w.eventually("the log says that it works again", func() bool { return strings.Contains(w.log.String(), "export: it works again") })
}

// Where a plugin ends in the middle of a period, what comes twice has the same id and the same
// rows.
func TestACrashBetweenParts(t *testing.T) {
	p := newTarget(t, map[string]any{"how": "crash_between"})
	w := newWorld(t)
	for i := range 8 {
		w.insert("acme", "w"+strconv.Itoa(i), "1", hour(1).Add(time.Duration(i)*time.Minute))
	}
	w.store.Settle(t)
	x := costs("costs", "acme", p)
	x.Every = 24 * time.Hour
	x.Request.Granularity, x.Request.Fill = query.Minute, query.FillZero
	w.at(hour(24).Add(time.Hour))
	_, metrics := w.run(x)
	w.eventually("the period is delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 1 })
	all := p.of("costs")
	require.Len(t, all, 4)
	for i, want := range []struct {
		part, rows int
		last       bool
	}{{0, 10_000, false}, {1, 1_520, true}, {0, 10_000, false}, {1, 1_520, true}} {
		assert.Equal(t, []any{want.part, want.rows, want.last}, []any{all[i].Part, all[i].Rows, all[i].Last}, "%d", i)
	}
	assert.Equal(t, []string{all[0].Delivery, all[1].Delivery}, []string{all[2].Delivery, all[3].Delivery})
	assert.NotEqual(t, all[0].Delivery, all[1].Delivery)
	assert.InDelta(t, 1, outcomes(t, metrics, "costs", "failed"), 0)
	assert.Contains(t, w.log.String(), "its process has gone")
	assert.Contains(t, w.log.String(), "location=told")
}

// Whatever becomes of one export, another of the same plugin is delivered, and the operator
// sees which it is and why.
func TestAnExportThatFailsHoldsUpNoOther(t *testing.T) {
	for how, want := range map[string]string{
		"crash": "its process has gone", "hang": "no answer within 2s", "error": "the directory of users does not answer", "refused": "it has poison in it",
	} {
		t.Run(how, func(t *testing.T) {
			p := newTarget(t, map[string]any{"how": how, "all": true, "of": "bad"})
			w := newWorld(t)
			_, metrics := w.run(costs("bad", "acme", p), costs("good", "acme", p))
			w.eventually("the other one is delivered", func() bool { return outcomes(t, metrics, "good", "delivered") == 2 })
			w.eventually("the log says why", func() bool {
				return strings.Contains(w.log.String(), `export: it is tried again" export=bad tenant=acme`) && strings.Contains(w.log.String(), want)
			})
			outcome := "failed"
			if how == "refused" {
				outcome = how
			}
			assert.GreaterOrEqual(t, outcomes(t, metrics, "bad", outcome), 1.0)
			assert.Zero(t, outcomes(t, metrics, "bad", "delivered"))
			assert.Empty(t, p.of("bad"))
		})
	}
}

// redacting keeps the names of workflows from administrators.
type redacting struct{}

func (redacting) Policy(context.Context, access.Principal) (query.Policy, error) {
	return query.Policy{Redact: []string{"workflow"}}, nil
}

// What is not all of an answer, or not for administrators, is not exported; the log says what
// to do.
func TestWhatIsNotExported(t *testing.T) {
	p := newTarget(t, nil)
	w := newWorld(t)
	for _, workflow := range []string{"a", "b", "c"} {
		w.insert("acme", workflow, "1", hour(3).Add(time.Minute))
	}
	w.store.Insert(t, event.Event{Kind: event.KindExecution, Tenant: "acme", ID: "e", Time: hour(3).UnixMilli(), PreviousTime: event.NoTime, WorkflowID: "a", Status: event.StatusCompleted},
		event.Event{Kind: event.KindExecution, Tenant: "acme", ID: "f", Time: hour(3).UnixMilli(), PreviousTime: event.NoTime, WorkflowID: "a", Status: event.StatusCompleted})
	w.store.Settle(t)
	w.limits.Rows = 2
	all, top, list := costs("all", "acme", p), costs("top", "acme", p), costs("list", "acme", p)
	top.Request.Limit = 1
	list.Request = query.Request{Kind: query.KindExecutions, Limit: 1}
	stop, metrics := w.run(all, top, list)
	w.eventually("the largest, which are asked for, are delivered", func() bool { return outcomes(t, metrics, "top", "delivered") == 2 })
	w.eventually("the log says what is cut off", func() bool {
		return strings.Contains(w.log.String(), "the answer is cut off, and part of one is not exported: set a smaller every")
	})
	w.eventually("and of lists", func() bool {
		return strings.Contains(w.log.String(), "part of a list is not exported: set a limit of 1000")
	})
	assert.Positive(t, outcomes(t, metrics, "all", "unanswered"))
	assert.Empty(t, append(p.of("all"), p.of("list")...))
	stop()

	w.limits.Rows, w.policy = 0, redacting{}
	_, metrics = w.run(all)
	w.eventually("what is not shown to administrators is not exported", func() bool { return outcomes(t, metrics, "all", "unanswered") > 0 })
	w.eventually("the log says so", func() bool {
		return strings.Contains(w.log.String(), "dimension workflow is not shown to the role admin")
	})
	assert.Empty(t, p.of("all"))
}

// Figures that are known to be old ones wait for their rollup.
func TestOldFiguresAreNotExported(t *testing.T) {
	p := newTarget(t, nil)
	w := newWorld(t)
	w.limits.Unsettled = -1 // nothing is read from events in the place of rollups
	w.insert("acme", "a", "5", hour(3).Add(time.Minute))
	_, metrics := w.run(costs("costs", "acme", p))
	w.eventually("it waits", func() bool { return outcomes(t, metrics, "costs", "waiting") > 0 })
	w.eventually("the log says what for", func() bool { return strings.Contains(w.log.String(), "wait for their rollup") })
	assert.Empty(t, p.of("costs"))
	assert.Empty(t, w.audit.list())
	w.store.Settle(t)
	w.eventually("it is delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 2 })
	assert.Equal(t, []string{"5"}, p.of("costs")[0].Dollars)
}

// Of two processes one exports, and the other goes on where it ends.
func TestOneOfSeveralProcessesExports(t *testing.T) {
	p := newTarget(t, nil)
	w := newWorld(t)
	x := costs("costs", "acme", p)
	first, delivers := w.run(x)
	w.eventually("the first exports", func() bool { return outcomes(t, delivers, "costs", "delivered") == 2 })
	_, second := w.run(x)
	w.eventually("the second stands by", func() bool { return strings.Contains(w.log.String(), "this one stands by") })
	w.at(hour(6).Add(30 * time.Minute))
	w.eventually("the first exports", func() bool { return outcomes(t, delivers, "costs", "delivered") == 3 })
	assert.Zero(t, outcomes(t, second, "costs", "delivered"))
	first()
	w.at(hour(7).Add(30 * time.Minute))
	w.eventually("the second exports", func() bool { return outcomes(t, second, "costs", "delivered") == 1 })
	assert.Equal(t, []int{3, 4, 5, 6}, hours(p.of("costs")))
}

func TestQuestionsThatNobodyCanAnswer(t *testing.T) {
	w := newWorld(t)
	for want, r := range map[string]query.Request{
		`exports, bad: request: metrics "costs": no such metric`: {Metrics: []string{"costs"}},
		`exports, bad: request: kind "cost"`:                     {Kind: "cost"},
		"exports, bad: request: groupBy":                         {Metrics: []string{"dollars"}, GroupBy: []string{"status"}},
	} {
		_, _, err := w.sender(export.Export{Name: "bad", Tenant: "acme", Every: time.Hour, Request: r})
		require.ErrorContains(t, err, want)
	}
	_, _, err := w.sender()
	require.ErrorContains(t, err, "no exports")
	_, err = export.New(export.Config{})
	require.ErrorContains(t, err, "needs a client")
}
