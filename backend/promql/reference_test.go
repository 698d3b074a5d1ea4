package promql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

var (
	dayStart = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	testNow  = dayStart.Add(5*time.Hour + 2*time.Minute + 17*time.Second)
	admin    = access.Principal{Tenant: "acme", Role: access.RoleAdmin, Scopes: []access.Scope{access.ScopeRead}}
)

// sampleEvents are executions, steps, costs and actions of the hours before testNow.
// Some series begin late, some labels are empty, some amounts are negative.
func sampleEvents(n int, seed uint64) []event.Event {
	r := rand.New(rand.NewPCG(seed, 11))
	at := func() int64 {
		return dayStart.Add(20*time.Minute).UnixMilli() + r.Int64N((5 * time.Hour).Milliseconds())
	}
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	amount := func() event.Decimal {
		d, _ := event.ParseDecimal(fmt.Appendf(nil, "%d.%09d", r.IntN(9)-2, r.Int64N(1e9)))
		return d
	}
	var out []event.Event
	for i := range n {
		id := strconv.Itoa(i)
		start := event.Event{
			Kind: event.KindExecution, Status: event.StatusStarted, Tenant: "acme", ID: "e" + id, Time: at(), PreviousTime: event.NoTime,
			WorkflowID: pick("", "wf-a", "wf-b", "wf-c", `it's \ "odd"`), WorkflowVersion: r.Uint32N(3), UserID: pick("", "ann", "bob", "cem"), TriggerType: pick("", "cron", "hook"),
		}
		if start.WorkflowID == "wf-c" {
			start.Time = max(start.Time, dayStart.Add(3*time.Hour).UnixMilli()) // begins late
		}
		if r.IntN(5) > 0 {
			out = append(out, start)
		}
		if r.IntN(6) > 0 {
			end := start
			end.Status, end.Duration = event.StatusCompleted, []int64{0, 1, r.Int64N(60), r.Int64N(9000), r.Int64N(1_500_000)}[r.IntN(5)]
			end.Time += end.Duration
			if r.IntN(3) == 0 {
				end.Status, end.ErrorType = event.StatusFailed, pick("", "timeout", "io")
			}
			if start.Time%7 == 0 { // ends at a minute's very end
				end.Time = (end.Time/60_000 + 1) * 60_000
			}
			out = append(out, end)
		}
		out = append(out, event.Event{
			Kind: event.KindStep, Status: []event.Status{event.StatusCompleted, event.StatusFailed, event.StatusSkipped}[r.IntN(3)],
			Tenant: "acme", ID: "s" + id, Time: at(), EndTime: event.NoTime, Duration: r.Int64N(5000), ExecutionID: "x" + id,
			WorkflowID: pick("wf-a", "wf-b"), WorkflowVersion: 1, UserID: pick("ann", "bob"), StepID: pick("s1", "s2"), StepType: pick("http", "sql"),
			InputSize: r.Int64N(1 << 40), OutputSize: r.Int64N(1000),
		}, event.Event{
			Kind: event.KindCost, Tenant: "acme", ID: "c" + id, Time: at(), WorkflowID: pick("", "wf-a", "wf-b"), UserID: pick("ann", "bob", ""),
			ActionType: pick("api", "llm"), Credits: amount(), Dollars: amount(),
		}, event.Event{
			Kind: event.KindActivity, Tenant: "acme", ID: "a" + id, Time: at(), UserID: pick("ann", "bob", "cem"), Duration: r.Int64N(9999),
			Action: pick("login", "view"), Resource: pick("wf", "run"),
		})
	}
	return out
}

// sample is what an event adds to a series, by the metrics' documentation.
type sample struct {
	name   string
	labels map[string]string
	value  float64
	hist   bool
	coarse bool // counted at the end of a quarter of an hour
}

func contributions(e *event.Event, quarters bool) []sample {
	var out []sample
	add := func(name string, value float64, l ...string) {
		m := map[string]string{}
		for i := 0; i < len(l); i += 2 {
			m[l[i]] = l[i+1]
		}
		_, user := m["user"]
		out = append(out, sample{name: "flowgauge_" + name, labels: m, value: value, coarse: user || quarters})
	}
	seconds := float64(e.Duration) / 1000
	version := strconv.Itoa(int(e.WorkflowVersion))
	status := e.Status.String()
	switch e.Kind {
	case event.KindExecution:
		l := []string{"workflow", e.WorkflowID, "version", version, "trigger_type", e.TriggerType}
		if e.Status == event.StatusStarted {
			add("executions_started_total", 1, l...)
			break
		}
		l = append(l, "error_type", e.ErrorType)
		add("execution_duration_seconds", seconds, l...)
		out[len(out)-1].hist = true
		add("execution_duration_seconds_sum", seconds, l...)
		add("execution_duration_seconds_count", 1, l...)
		add("executions_total", 1, append(l, "status", status)...)
		add("user_executions_total", 1, "user", e.UserID, "workflow", e.WorkflowID, "status", status)
		add("user_execution_duration_seconds_total", seconds, "user", e.UserID, "workflow", e.WorkflowID)
	case event.KindStep:
		l := []string{"workflow", e.WorkflowID, "version", version, "step", e.StepID, "step_type", e.StepType}
		add("step_input_bytes_total", float64(e.InputSize), l...)
		add("step_output_bytes_total", float64(e.OutputSize), l...)
		if e.Status != event.StatusSkipped {
			add("step_duration_seconds", seconds, l...)
			out[len(out)-1].hist = true
			add("step_duration_seconds_sum", seconds, l...)
			add("step_duration_seconds_count", 1, l...)
		}
		add("steps_total", 1, append(l, "status", status)...)
	case event.KindCost:
		for prefix, l := range map[string][]string{
			"":      {"workflow", e.WorkflowID, "action_type", e.ActionType},
			"user_": {"workflow", e.WorkflowID, "action_type", e.ActionType, "user", e.UserID},
		} {
			add(prefix+"cost_records_total", 1, l...)
			for unit, v := range map[string]float64{"dollars": e.Dollars.Float64(), "credits": e.Credits.Float64()} {
				add(prefix+"cost_"+unit+"_charged_total", max(v, 0), l...)
				add(prefix+"cost_"+unit+"_credited_total", max(-v, 0), l...)
			}
		}
	case event.KindActivity:
		add("actions_total", 1, "action", e.Action, "resource", e.Resource)
		add("action_duration_seconds_total", seconds, "action", e.Action, "resource", e.Resource)
		add("user_actions_total", 1, "action", e.Action, "resource", e.Resource, "user", e.UserID)
	}
	return out
}

// reference is one series, counted event by event.
type reference struct {
	labels  labels.Labels
	samples []sample
	times   []int64 // of each sample, in milliseconds: when it begins to count
}

// references counts events without buckets, levels or SQL.
func references(events []event.Event, quarters bool) []*reference {
	byLabels := map[string]*reference{}
	for i := range events {
		e := &events[i]
		for _, s := range contributions(e, quarters) {
			s.labels[model.MetricNameLabel] = s.name
			for k, v := range s.labels {
				if v == "" {
					delete(s.labels, k)
				}
			}
			l := labels.FromMap(s.labels)
			ref := byLabels[l.String()]
			if ref == nil {
				ref = &reference{labels: l}
				byLabels[l.String()] = ref
			}
			width := int64(60_000)
			if s.coarse {
				width *= 15
			}
			ref.samples = append(ref.samples, s)
			ref.times = append(ref.times, (e.Time/width+1)*width)
		}
	}
	out := make([]*reference, 0, len(byLabels))
	for _, r := range byLabels {
		if slices.Min(r.times) <= testNow.UnixMilli() { // else nothing is known of it yet
			out = append(out, r)
		}
	}
	return out
}

// running counts the executions that run at each minute, series by series.
func running(events []event.Event) map[string]map[int64]int {
	ends := map[string]int64{}
	for i := range events {
		if e := &events[i]; e.Kind == event.KindExecution && e.Status != event.StatusStarted {
			ends[e.ID] = e.Time
		}
	}
	out := map[string]map[int64]int{}
	for i := range events {
		e := &events[i]
		if e.Kind != event.KindExecution || e.Status != event.StatusStarted {
			continue
		}
		end, ended := ends[e.ID]
		l := labels.NewBuilder(labels.FromStrings(model.MetricNameLabel, "flowgauge_executions_running", "version", strconv.Itoa(int(e.WorkflowVersion)))).
			Set("workflow", e.WorkflowID).Set("trigger_type", e.TriggerType).Labels().String()
		for t := (e.Time + 59_999) / 60_000 * 60_000; t <= testNow.UnixMilli() && (!ended || t < end); t += 60_000 {
			if out[l] == nil {
				out[l] = map[int64]int{}
			}
			out[l][t]++
		}
	}
	return out
}

// newReference loads a time-series database of Prometheus with a sample for each
// minute since the first day began.
func newReference(t testing.TB, events []event.Event, quarters bool) *tsdb.DB {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.MinBlockDuration = 48 * time.Hour.Milliseconds()
	opts.MaxBlockDuration = opts.MinBlockDuration
	opts.RetentionDuration = 0
	db, err := tsdb.Open(t.TempDir(), nil, nil, opts, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	app := db.Appender(context.Background())
	for _, r := range references(events, quarters) {
		order := make([]int, len(r.samples))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(r.times[a] - r.times[b]) })
		sum, next := 0.0, 0
		native := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", NativeHistogramBucketFactor: 1.05})
		var ref storage.SeriesRef
		for at := dayStart.UnixMilli(); at <= testNow.UnixMilli(); at += 60_000 {
			for ; next < len(order) && r.times[order[next]] <= at; next++ {
				v := r.samples[order[next]].value
				sum += v
				native.Observe(v)
			}
			if r.samples[0].hist {
				ref, err = app.AppendHistogram(ref, r.labels, at, nativeHistogram(t, native), nil)
			} else {
				ref, err = app.Append(ref, r.labels, at, sum)
			}
			require.NoError(t, err)
		}
	}
	for text, counts := range running(events) {
		l := parseLabels(t, text)
		for at := dayStart.UnixMilli(); at <= testNow.UnixMilli(); at += 60_000 {
			switch {
			case counts[at] > 0:
				_, err = app.Append(0, l, at, float64(counts[at]))
			case counts[at-60_000] > 0:
				_, err = app.Append(0, l, at, staleNaN)
			}
			require.NoError(t, err)
		}
	}
	require.NoError(t, app.Commit())
	return db
}

// nativeHistogram is what Prometheus scrapes from a process that observes with its own
// client.
func nativeHistogram(t testing.TB, h prometheus.Histogram) *histogram.Histogram {
	t.Helper()
	var m dto.Metric
	require.NoError(t, h.Write(&m))
	d := m.GetHistogram()
	out := &histogram.Histogram{
		Schema: d.GetSchema(), ZeroThreshold: d.GetZeroThreshold(), ZeroCount: d.GetZeroCount(), Count: d.GetSampleCount(), Sum: d.GetSampleSum(),
		PositiveBuckets: d.GetPositiveDelta(),
	}
	require.EqualValues(t, event.DurationSchema, out.Schema)
	for _, s := range d.GetPositiveSpan() {
		if s.GetLength() > 0 {
			out.PositiveSpans = append(out.PositiveSpans, histogram.Span{Offset: s.GetOffset(), Length: s.GetLength()})
		}
	}
	return out
}

func parseLabels(t testing.TB, text string) labels.Labels {
	t.Helper()
	l, err := testParser.ParseMetric(text)
	require.NoError(t, err)
	return l
}

// newStore stores the events. Those of the last minutes are left to be read from raw
// rows, except executions: what runs is known when their minute is rolled up.
func newStore(t testing.TB, events []event.Event) *query.Engine {
	t.Helper()
	s := querytest.New(t)
	late := testNow.Add(-6 * time.Minute).UnixMilli()
	var before, after []event.Event
	for i := range events {
		if events[i].Time < late || events[i].Kind == event.KindExecution {
			before = append(before, events[i])
		} else {
			after = append(after, events[i])
		}
	}
	s.Insert(t, before...)
	s.Settle(t)
	if len(after) > 0 {
		s.Insert(t, after...)
	}
	e, err := query.New(query.Config{Client: s.ReadOnly(t), Now: func() time.Time { return testNow }, PendingTTL: time.Hour})
	require.NoError(t, err)
	return e
}

var staleNaN = value64(value.StaleNaN)

// remembered asks the engine once for what several shapes need.
type remembered struct {
	Store
	answers map[string]*query.Totals
}

func (r remembered) Totals(ctx context.Context, p access.Principal, q query.TotalsRequest) (*query.Totals, error) {
	key := fmt.Sprintf("%+v %+v", p, q)
	if known, ok := r.answers[key]; ok {
		return known, nil
	}
	t, err := r.Store.Totals(ctx, p, q)
	if err == nil {
		r.answers[key] = t
	}
	return t, err
}
