package notify_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/notify"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestMain(m *testing.M) { enginetest.Main(m, hosttest.Remove) }

var admin = access.Principal{Tenant: "acme", Role: access.RoleAdmin}

func decimal(t *testing.T, text string) event.Decimal {
	t.Helper()
	d, err := event.ParseDecimal([]byte(text))
	require.NoError(t, err)
	return d
}

// world is a database with costs and budgets, at a time of its own.
type world struct {
	t       *testing.T
	store   *querytest.Store
	now     atomic.Pointer[time.Time]
	events  int
	all     notify.Notifiers
	budgets *budget.Service
	policy  query.Policies
	log     hosttest.Log
	audit   records
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

func newWorld(t *testing.T, now time.Time, all notify.Notifiers) *world {
	w := &world{t: t, store: querytest.New(t), all: all}
	w.now.Store(&now)
	var err error
	w.budgets, err = budget.NewService(budget.Config{Store: budget.NewStore(w.store.Client), Notifiers: all.For})
	require.NoError(t, err)
	return w
}

func (w *world) spend(at time.Time, dollars string) {
	w.t.Helper()
	w.events++
	w.store.Insert(w.t, event.Event{
		Kind: event.KindCost, Tenant: "acme", ID: strconv.Itoa(w.events), Time: at.UnixMilli(), PreviousTime: event.NoTime,
		WorkflowID: "wf", UserID: "ann", ActionType: "llm", Dollars: decimal(w.t, dollars),
	})
	w.store.Settle(w.t)
}

func (w *world) put(id, amount string, thresholds []budget.Threshold, names ...string) {
	w.t.Helper()
	_, err := w.budgets.Put(w.t.Context(), admin, "test", budget.Budget{
		ID: id, Name: strings.ToUpper(id), Owner: "ann", Of: "dollars", Amount: decimal(w.t, amount), Period: budget.Period{Unit: budget.Month, TimeZone: "Europe/Berlin"},
		Thresholds: thresholds, Notify: names,
	}, 0)
	require.NoError(w.t, err)
}

// run tells until what it returns is called, which is how a process ends.
func (w *world) run() (stop func(), metrics *prometheus.Registry) {
	w.t.Helper()
	now := func() time.Time { return *w.now.Load() }
	engine, err := query.New(query.Config{Client: w.store.ReadOnly(w.t), Now: now, Budgets: w.budgets, PendingTTL: -1, Policies: w.policy, Auditor: &w.audit})
	require.NoError(w.t, err)
	registry := prometheus.NewRegistry()
	watcher, err := notify.New(notify.Config{
		Client: w.store.Client, Holder: rand.Text(), Notifiers: w.all, Budgets: w.budgets, Engine: engine, Interval: 100 * time.Millisecond, Now: now,
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Registerer: registry,
	})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(w.t, watcher.Run(ctx)) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(stop)
	return stop, registry
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 2*time.Minute, 20*time.Millisecond, what)
}

// value of a metric with labels.
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

// received is what a receiver has got.
type received struct {
	ID, About, Tenant, Severity, Title, Text string
	At                                       time.Time
	Details                                  struct {
		Budget, Name, Of, Amount, Reached, Spent string
		PeriodStart, PeriodEnd                   time.Time
		Forecast, ForecastLower80                *float64
		Crossing                                 *time.Time
	}
}

// receiver is a server that messages are posted to.
type receiver struct {
	notify.Notifier
	mu  sync.Mutex
	got []received
}

// newReceiver answers by answer, which returns a status, after it has noted the message.
func newReceiver(t *testing.T, name string, answer func(r *http.Request, n int) int) *receiver {
	rec := &receiver{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m received
		text, err := io.ReadAll(r.Body)
		if !assert.NoError(t, err) || !assert.NoError(t, json.Unmarshal(text, &m)) {
			return
		}
		rec.mu.Lock()
		rec.got = append(rec.got, m)
		n := len(rec.got)
		rec.mu.Unlock()
		w.WriteHeader(answer(r, n))
	}))
	t.Cleanup(s.Close)
	hook, err := notify.NewWebhook(s.URL, nil)
	require.NoError(t, err)
	rec.Notifier = notify.Notifier{Name: name, Of: hook}
	return rec
}

func takes(*http.Request, int) int { return http.StatusNoContent }

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// about finds messages of a budget by what was reached; empty is the forecast.
func (r *receiver) about(budget, reached string) []received {
	var out []received
	for _, m := range r.all() {
		if m.Details.Budget == budget && m.Details.Reached == reached {
			out = append(out, m)
		}
	}
	return out
}

func percent(v float64) budget.Threshold { return budget.Threshold{Percent: &v} }

func amount(t *testing.T, text string) budget.Threshold {
	d := decimal(t, text)
	return budget.Threshold{Amount: &d}
}

// steady spends 4 dollars a day at noon, from March up to a moment.
func (w *world) steady(until time.Time) {
	var all []event.Event
	for day := time.Date(until.Year(), 3, 1, 12, 0, 0, 0, time.UTC); day.Before(until); day = day.AddDate(0, 0, 1) {
		w.events++
		all = append(all, event.Event{
			Kind: event.KindCost, Tenant: "acme", ID: strconv.Itoa(w.events), Time: day.UnixMilli(), PreviousTime: event.NoTime,
			WorkflowID: "wf", UserID: "ann", ActionType: "llm", Dollars: decimal(w.t, "4"),
		})
	}
	w.store.Insert(w.t, all...)
	w.store.Settle(w.t)
}

// The eleventh of a June that is still to come: what is told of is kept for a while only.
var eleventh = time.Date(2040, 6, 11, 6, 0, 0, 0, time.UTC)

// Each thing is told once, when it is known, by whoever leads then.
func TestBudgetsAreTold(t *testing.T) {
	ops := newReceiver(t, "ops", takes)
	w := newWorld(t, eleventh, notify.Notifiers{ops.Notifier})
	w.steady(eleventh)
	w.put("research", "100", []budget.Threshold{percent(20), amount(t, "60")}, "ops")
	w.put("silent", "1", nil)
	stop, metrics := w.run()
	eventually(t, "the threshold and the forecast are told", func() bool {
		return len(ops.about("research", "20")) == 1 && len(ops.about("research", "")) == 1
	})
	m := ops.about("research", "20")[0]
	assert.Equal(t, "RESEARCH: 20 % of the budget is reached", m.Title)
	assert.Equal(t, []string{"budget.threshold", "acme", "warning"}, []string{m.About, m.Tenant, m.Severity})
	assert.Contains(t, m.Text, "Of 100 dollars for 2040-06-01 to 2040-06-30 (Europe/Berlin), 40 are spent (40 %): 20 dollars, 20 % of the budget, is reached. By the end of the period 120")
	assert.Equal(t, []string{"RESEARCH", "dollars", "100", "40"}, []string{m.Details.Name, m.Details.Of, m.Details.Amount, m.Details.Spent})
	assert.True(t, m.Details.PeriodStart.Equal(time.Date(2040, 5, 31, 22, 0, 0, 0, time.UTC)))
	assert.True(t, m.Details.PeriodEnd.Equal(time.Date(2040, 6, 30, 22, 0, 0, 0, time.UTC)))
	assert.True(t, m.At.Equal(eleventh))
	f := ops.about("research", "")[0]
	assert.Equal(t, []string{"budget.forecast", "info", "RESEARCH: the budget is likely to be exceeded"}, []string{f.About, f.Severity, f.Title})
	assert.InDelta(t, 120, *f.Details.Forecast, 1)
	assert.NotNil(t, f.Details.Crossing)
	for _, m := range ops.all() {
		assert.NotContains(t, m.Title+m.Text, "ann", "no user is named")
	}

	w.spend(time.Date(2040, 6, 3, 0, 0, 0, 0, time.UTC), "70") // late
	eventually(t, "what is reached by late costs is told", func() bool {
		return len(ops.about("research", "60")) == 1 && len(ops.about("research", "100")) == 1
	})
	assert.Equal(t, "critical", ops.about("research", "100")[0].Severity)
	assert.Equal(t, "110", ops.about("research", "100")[0].Details.Spent)
	eventually(t, "it is counted", func() bool {
		return value(t, metrics, "flowgauge_notifications_total", "notifier=ops", "outcome=delivered") == 4
	})
	assert.Zero(t, value(t, metrics, "flowgauge_notifications_waiting", "notifier=ops"))
	stop()

	// Another process looks at all budgets, tells of a new one, and of nothing again.
	w.put("second", "1000", []budget.Threshold{percent(1)}, "ops")
	w.run()
	eventually(t, "it is told of", func() bool { return len(ops.about("second", "10")) == 1 })
	assert.Len(t, ops.all(), 5)
	ids := map[string]bool{}
	for _, m := range ops.all() {
		ids[m.ID] = true
	}
	assert.Len(t, ids, 5, "different messages have different ids")

	recorded := w.audit.list()
	require.Len(t, recorded, 5, "what is told is in the audit log, and nothing else: %v", recorded)
	assert.Equal(t, []string{"notify", "acme", "ops"}, []string{recorded[0].Surface, recorded[0].Principal.Tenant, recorded[0].Params["notifier"]})
}

// Of two processes one tells, and the other goes on where it ends.
func TestOneOfSeveralProcessesTells(t *testing.T) {
	ops := newReceiver(t, "ops", takes)
	w := newWorld(t, eleventh, notify.Notifiers{ops.Notifier})
	w.spend(eleventh.Add(-time.Hour), "5")
	w.put("research", "10", []budget.Threshold{percent(20)}, "ops")
	first, told := w.run()
	eventually(t, "the first tells", func() bool {
		return value(t, told, "flowgauge_notifications_total", "notifier=ops", "outcome=delivered") == 1
	})
	_, second := w.run()
	eventually(t, "the second stands by", func() bool { return strings.Contains(w.log.String(), "this one stands by") })
	w.spend(eleventh.Add(-time.Minute), "5")
	eventually(t, "the first tells", func() bool {
		return value(t, told, "flowgauge_notifications_total", "notifier=ops", "outcome=delivered") == 2
	})
	assert.Zero(t, value(t, second, "flowgauge_notifications_total", "notifier=ops", "outcome=delivered"))
	first()
	w.put("second", "1", nil, "ops")
	eventually(t, "the second tells", func() bool {
		return value(t, second, "flowgauge_notifications_total", "notifier=ops", "outcome=delivered") == 1
	})
	assert.Len(t, ops.all(), 3)
}

// One that hangs and one that fails hold up nobody, and what failed arrives in the end.
func TestNotifiersDoNotWaitForEachOther(t *testing.T) {
	hangs := newReceiver(t, "hangs", func(r *http.Request, _ int) int { <-r.Context().Done(); return http.StatusOK })
	fails := newReceiver(t, "fails", func(_ *http.Request, n int) int {
		if n < 3 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	works := newReceiver(t, "works", takes)
	w := newWorld(t, eleventh, notify.Notifiers{hangs.Notifier, fails.Notifier, works.Notifier})
	w.spend(eleventh.Add(-time.Hour), "5")
	w.put("research", "4", nil, "hangs", "fails", "works")
	stop, metrics := w.run()
	eventually(t, "the one that works is told", func() bool { return len(works.all()) == 1 })
	eventually(t, "the one that fails is told again", func() bool {
		return value(t, metrics, "flowgauge_notifications_total", "notifier=fails", "outcome=delivered") == 1
	})
	eventually(t, "the one that hangs is asked", func() bool { return len(hangs.all()) > 0 })
	assert.InDelta(t, 2, value(t, metrics, "flowgauge_notifications_total", "notifier=fails", "outcome=failed"), 0)
	assert.InDelta(t, 1, value(t, metrics, "flowgauge_notifications_waiting", "notifier=hangs"), 0)
	for _, m := range fails.all() {
		assert.Equal(t, works.all()[0].ID, m.ID, "the same message has the same id")
	}
	assert.Contains(t, w.log.String(), "notifier=fails")
	assert.Contains(t, w.log.String(), "the webhook answers 500")
	stop()
	assert.Len(t, works.all(), 1)

	// What waits when a process ends is delivered by the next one.
	works2 := newReceiver(t, "hangs", takes)
	w.all = notify.Notifiers{works2.Notifier, fails.Notifier, works.Notifier}
	w.run()
	eventually(t, "it is told by the next process", func() bool { return len(works2.all()) == 1 })
	assert.Equal(t, works.all()[0].ID, works2.all()[0].ID)
	assert.Len(t, works.all(), 1, "nobody is told twice")
	assert.Len(t, fails.all(), 3)
}

// A message that one receiver cannot take lets those behind it go first.
func TestWhatFailsLetsOthersGoFirst(t *testing.T) {
	poisoned := sync.Map{}
	var rec *receiver
	rec = newReceiver(t, "ops", func(_ *http.Request, n int) int {
		m := rec.all()[n-1]
		if strings.HasPrefix(m.Details.Budget, "poison") {
			poisoned.Store(m.Details.Budget, true)
			return http.StatusBadRequest
		}
		return http.StatusOK
	})
	w := newWorld(t, eleventh, notify.Notifiers{rec.Notifier})
	w.spend(eleventh.Add(-time.Hour), "5")
	for i := range 4 {
		w.put("poison-"+strconv.Itoa(i), "4", nil, "ops")
	}
	w.run()
	eventually(t, "all that fail are tried", func() bool {
		n := 0
		poisoned.Range(func(any, any) bool { n++; return true })
		return n == 4
	})
	w.put("research", "4", nil, "ops")
	eventually(t, "another arrives", func() bool { return len(rec.about("research", "4")) == 1 })
}

// The period that is over is told of for a day, of budgets that were there.
func TestLateCostsOfThePeriodBefore(t *testing.T) {
	ops := newReceiver(t, "ops", takes)
	down := newReceiver(t, "down", func(*http.Request, int) int { return http.StatusServiceUnavailable })
	july := time.Date(2040, 7, 1, 3, 0, 0, 0, time.UTC)
	w := newWorld(t, july, notify.Notifiers{ops.Notifier, down.Notifier})
	w.put("research", "100", nil, "ops", "down")
	_, metrics := w.run()
	w.spend(time.Date(2040, 6, 30, 21, 59, 0, 0, time.UTC), "100")
	eventually(t, "June is told of in July", func() bool { return len(ops.about("research", "100")) == 1 })
	assert.True(t, ops.all()[0].Details.PeriodEnd.Equal(time.Date(2040, 6, 30, 22, 0, 0, 0, time.UTC)))

	eventually(t, "the other is tried", func() bool { return len(down.all()) > 0 })
	later := july.AddDate(0, 0, 3)
	w.now.Store(&later)
	eventually(t, "it is given up in the end", func() bool {
		return value(t, metrics, "flowgauge_notifications_total", "notifier=down", "outcome=expired") == 1
	})
	assert.Contains(t, w.log.String(), "is given up")
	assert.Len(t, ops.all(), 1)
}

// What a policy keeps from administrators is not told to people either.
type few struct{}

func (few) Policy(context.Context, access.Principal) (query.Policy, error) {
	return query.Policy{Minimum: 5}, nil
}

func TestAPolicyHoldsForMessages(t *testing.T) {
	ops := newReceiver(t, "ops", takes)
	w := newWorld(t, eleventh, notify.Notifiers{ops.Notifier})
	w.policy = few{}
	w.spend(eleventh.Add(-time.Hour), "5")
	w.put("research", "4", nil, "ops")
	w.run()
	eventually(t, "the log says why nobody is told", func() bool { return strings.Contains(w.log.String(), "look how a budget stands: it is tried again") })
	assert.Empty(t, ops.all())
}

// pluginNotifier runs test-misbehave.
func pluginNotifier(t *testing.T, told, how string) notify.Notifier {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"told": told, "how": how, "all": how != ""})
	require.NoError(t, err)
	dir := hosttest.Misbehave(t, func(m *host.Manifest, _ string) { m.Extends = []contract.Extension{contract.ExtensionNotifier} })
	h, err := host.New(host.Config{Dir: dir, Use: []host.Use{{ID: "test-misbehave", Settings: settings, Timeout: 2 * time.Second}}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return notify.Notifier{Name: "test-misbehave", Of: notify.Remote{Plugin: h.Plugins(contract.ExtensionNotifier)[0]}}
}

// A plugin that is down when there is something to tell is told when it is up.
func TestAPluginThatComesBackIsTold(t *testing.T) {
	t.Setenv("MISBEHAVE_AT_START", "exit")
	told := filepath.Join(t.TempDir(), "told")
	ops := newReceiver(t, "ops", takes)
	w := newWorld(t, eleventh, notify.Notifiers{pluginNotifier(t, told, ""), ops.Notifier})
	w.spend(eleventh.Add(-time.Hour), "5")
	w.put("research", "4", nil, "test-misbehave", "ops")
	_, metrics := w.run()
	eventually(t, "the log says that it is down", func() bool { return strings.Contains(w.log.String(), "plugin test-misbehave is down") })
	eventually(t, "the other one is told", func() bool { return len(ops.all()) == 1 })
	require.NoFileExists(t, told)
	t.Setenv("MISBEHAVE_AT_START", "")
	eventually(t, "it is told", func() bool {
		return value(t, metrics, "flowgauge_notifications_total", "notifier=test-misbehave", "outcome=delivered") == 1
	})
	text, err := os.ReadFile(told)
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":"`+ops.all()[0].ID+`","title":"RESEARCH: 100 % of the budget is reached","tenant":"acme"}`, string(text))
}

// Whatever a plugin does, others are told and the operator sees which it is and why.
func TestPluginsThatMisbehave(t *testing.T) {
	for how, want := range map[string]string{
		"crash": "its process has gone", "hang": "no answer within 2s", "error": "the directory of users does not answer", "refused": "it has poison in it",
	} {
		t.Run(how, func(t *testing.T) {
			ops := newReceiver(t, "ops", takes)
			w := newWorld(t, eleventh, notify.Notifiers{pluginNotifier(t, filepath.Join(t.TempDir(), "told"), how), ops.Notifier})
			w.spend(eleventh.Add(-time.Hour), "5")
			w.put("research", "4", nil, "test-misbehave", "ops")
			_, metrics := w.run()
			eventually(t, "the other one is told", func() bool { return len(ops.all()) == 1 })
			eventually(t, "the log says why", func() bool { return strings.Contains(w.log.String(), want) })
			outcome := "failed"
			if how == "refused" {
				outcome = how
			}
			assert.GreaterOrEqual(t, value(t, metrics, "flowgauge_notifications_total", "notifier=test-misbehave", "outcome="+outcome), 1.0)
		})
	}
}
