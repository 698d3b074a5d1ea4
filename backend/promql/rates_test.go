package promql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func TestSumsOfRatesAreFound(t *testing.T) {
	byA := &grouping{by: true, labels: []string{"a"}}
	for text, want := range map[string]*grouping{
		"sum by (a) (rate(m[5m]))":                                byA,
		"sum by (a) ((increase(m[5m])))":                          byA,
		"sum without (a) (rate(m[5m] offset 1h))":                 {labels: []string{"a"}},
		"sum(rate(m[5m]))":                                        {by: true},
		"topk(3, sum by (a) (rate(m[5m])))":                       byA,
		"sum by (a) (rate(m[5m])) / sum by (a) (rate(m[5m]))":     byA,
		"sum by (a) (rate(m[5m])) / sum by (b) (rate(m[5m]))":     nil,
		"sum by (a) (rate(m[5m])) / on (a) rate(m[5m])":           nil,
		"rate(m[5m]) + on (a) sum by (a) (rate(m[5m]))":           nil,
		"sum by (a) (rate(m[5m]) + 1)":                            nil,
		"sum by (a) (-rate(m[5m]))":                               nil,
		"sum by (a) (abs(rate(m[5m])))":                           nil,
		"avg by (a) (rate(m[5m]))":                                nil,
		"rate(m[5m])":                                             nil,
		"sum by (a) (rate(m[5m])) + sum by (a) (m)":               byA,
		"sum by (a) (rate(m[5m])) + sum by (a) (increase(m[5m]))": byA,
	} {
		t.Run(text, func(t *testing.T) {
			function := "rate"
			if e, err := testParser.ParseExpr("sum by (a) ((increase(m[5m])))"); err == nil && e.String() == parsed(t, text).String() {
				function = "increase"
			}
			m := labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "m")
			require.Equal(t, want, sumsOfRates(parsed(t, text))[selectorKey(function, 5*time.Minute, []*labels.Matcher{m})])
		})
	}
}

// watched notes what it is asked.
type watched struct {
	Store
	asked []query.TotalsRequest
}

func (w *watched) Totals(ctx context.Context, p access.Principal, r query.TotalsRequest) (*query.Totals, error) {
	w.asked = append(w.asked, r)
	return w.Store.Totals(ctx, p, r)
}

// aging are executions and costs of three days and a half: series that are there all
// the time, one that pauses, and some that begin in the last hours.
func aging() (events []event.Event, end time.Time) {
	end = dayStart.AddDate(0, 0, 3).Add(12 * time.Hour)
	for n, at := 0, dayStart.Add(time.Hour); at.Before(end); n, at = n+1, at.Add(191*time.Second) {
		add := func(workflow string, version uint32, status event.Status) {
			id := strconv.Itoa(len(events))
			amount, _ := event.ParseDecimal(fmt.Appendf(nil, "%d.%09d", n%7, n*7919%1_000_000_000))
			events = append(events, event.Event{
				Kind: event.KindExecution, Status: status, Tenant: "acme", ID: id, Time: at.UnixMilli(), PreviousTime: event.NoTime,
				WorkflowID: workflow, WorkflowVersion: version, UserID: "ann", Duration: 5,
			}, event.Event{
				Kind: event.KindCost, Tenant: "acme", ID: id, Time: at.UnixMilli(), PreviousTime: event.NoTime, WorkflowID: workflow,
				ActionType: "a" + strconv.Itoa(int(version)), Credits: amount, Dollars: amount,
			})
		}
		for v := range uint32(6) {
			add([]string{"a", "b"}[v%2], v, event.StatusCompleted)
		}
		if n%3 == 0 {
			add("a", 1, event.StatusFailed)
		}
		if at.After(end.Add(-3*time.Hour)) || at.Before(dayStart.Add(40*time.Hour)) {
			add("b", 7, event.StatusCompleted)
		}
		if at.After(end.Add(-5 * time.Hour)) {
			add("a", 8, event.StatusCompleted) // a new version
			add("c", 1, event.StatusCompleted) // a new workflow
		}
	}
	return events, end
}

// A sum of rates that the database adds up is that of every series, also of those that
// begin within the period.
func TestSumsOfRates(t *testing.T) {
	events, end := aging()
	s := querytest.New(t)
	s.Insert(t, events...)
	s.Settle(t)
	e, err := query.New(query.Config{Client: s.ReadOnly(t), Now: func() time.Time { return end }, PendingTTL: time.Hour})
	require.NoError(t, err)
	store := &watched{Store: e}
	a := newTestAPI(t, store, admin)
	for _, text := range []string{
		"sum by (workflow) (rate(flowgauge_executions_total[5m]))",
		"sum(increase(flowgauge_executions_total[17m]))",
		"sum without (version, error_type) (rate(flowgauge_executions_total[1h]))",
		`sum by (status) (rate(flowgauge_executions_total{workflow!="b"}[10m] offset 20m))`,
		"sum by (workflow) (rate(flowgauge_cost_dollars_charged_total[10m]))",
	} {
		expr := parsed(t, text)
		for _, at := range []evaluation{
			{start: end.Add(-8 * time.Hour), end: end, step: 10 * time.Minute},
			{start: end.Add(-6 * time.Hour), end: end, step: 97 * time.Second},
			{start: end.Add(-3*time.Hour - 13*time.Second)},
		} {
			single := a.queryable(admin, expr, lookback).(*queryable)
			single.sums = nil
			want := evaluate(t, a.engine, single, text, at)
			store.asked = nil
			got := evaluate(t, a.engine, a.queryable(admin, expr, lookback), text, at)
			equal(t, fmt.Sprint(text, at), want, got)
			require.NotEmpty(t, points(got.Value))
			last := store.asked[len(store.asked)-1]
			require.Len(t, store.asked, 3, "which are young, the sums, and those apart")
			require.NotNil(t, last.Only, "the series that began")
			require.Less(t, len(store.asked[1].GroupBy), len(last.GroupBy), "labels are added up in the database")
		}
	}

	// Where many are young, each is a series.
	store.asked = nil
	text := "sum by (workflow) (rate(flowgauge_executions_total[5m]))"
	at := evaluation{start: dayStart.Add(2 * time.Hour), end: dayStart.Add(30 * time.Hour), step: time.Hour}
	single := a.queryable(admin, parsed(t, text), lookback).(*queryable)
	single.sums = nil
	want := evaluate(t, a.engine, single, text, at)
	equal(t, text, want, evaluate(t, a.engine, a.queryable(admin, parsed(t, text), lookback), text, at))
	require.True(t, slices.ContainsFunc(store.asked, func(r query.TotalsRequest) bool { return len(r.GroupBy) == 4 && r.Only == nil }))
}
