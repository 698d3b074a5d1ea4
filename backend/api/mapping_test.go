package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func only(dimension string, values ...string) query.Filter {
	return query.Filter{Dimension: dimension, Operator: query.In, Values: values}
}

// Each endpoint that is a kind of question, or one with something fixed, asks just that.
func TestEndpointsAskWhatTheyAreFor(t *testing.T) {
	steps := []string{"steps", "steps_failed", "step_failure_rate", "step_duration_avg", "step_duration_p50", "step_duration_p95", "step_duration_sum"}
	for target, want := range map[string]query.Request{
		"/executions/run%2F7?limit=3":                               {Kind: query.KindWaterfall, Limit: 3, Params: map[string]string{"execution": "run/7"}},
		"/executions/errors?granularity=hour&limit=5&error_type=io": {Kind: query.KindErrors, Granularity: query.Hour, Limit: 5, Filters: []query.Filter{only("error_type", "io")}},
		"/executions/errors?compare=previous_week":                  {Kind: query.KindErrors, Compare: query.PreviousWeek},
		"/workflows/rankings?by=p95&of=step&min_executions=3&limit=7&compare=previous_year&triggerType=cron": {
			Kind: query.KindRanking, Limit: 7, Compare: query.PreviousYear,
			Params: map[string]string{"by": "p95", "of": "step", "min_executions": "3"}, Filters: []query.Filter{only("trigger_type", "cron")},
		},
		"/workflows/comparison?workflow=w&baseline=3&candidate=4": {
			Kind: query.KindComparison, Params: map[string]string{"baseline": "3", "candidate": "4"}, Filters: []query.Filter{only("workflow", "w")},
		},
		"/workflows/w%201/performance?version=2&granularity=day&fill=zero&metrics=executions": {
			Metrics: []string{"executions"}, Granularity: query.Day, Fill: query.FillZero, Filters: []query.Filter{only("version", "2"), only("workflow", "w 1")},
		},
		"/workflows/w/performance": {
			Metrics: []string{"executions", "executions_failed", "success_rate", "duration_avg", "duration_p50", "duration_p95", "duration_p99", "duration_max"},
			Filters: []query.Filter{only("workflow", "w")},
		},
		"/workflows/w/steps":                 {Metrics: steps, GroupBy: []string{"step", "step_type"}, OrderBy: "step_duration_sum", Descending: true, Filters: []query.Filter{only("workflow", "w")}},
		"/workflows/w/steps?granularity=day": {Metrics: steps, GroupBy: []string{"step", "step_type"}, Granularity: query.Day, Filters: []query.Filter{only("workflow", "w")}},
		"/workflows/w/steps?groupBy=stepType&order=asc&orderBy=steps": {
			Metrics: steps, GroupBy: []string{"step_type"}, OrderBy: "steps", Ascending: true, Filters: []query.Filter{only("workflow", "w")},
		},
		"/workflows/w/bottlenecks?sample=5&limit=2&version=1": {
			Kind: query.KindBottlenecks, Limit: 2, Params: map[string]string{"sample": "5"}, Filters: []query.Filter{only("version", "1"), only("workflow", "w")},
		},
		"/costs/forecast?metric=credits&horizon=14&history=52&granularity=week": {Kind: query.KindForecast, Granularity: query.Week, Params: map[string]string{"metric": "credits", "horizon": "14", "history": "52"}},
		"/costs/breakdown?by=workflow&of=credits&limit=4":                       {Kind: query.KindCostBreakdown, Limit: 4, Params: map[string]string{"by": "workflow", "of": "credits"}},
		"/costs/reconciliation?by=day&show=all&team=a":                          {Kind: query.KindReconciliation, Params: map[string]string{"by": "day", "show": "all"}, Filters: []query.Filter{only("team", "a")}},
		"/activity/engagement?order=asc&limit=9":                                {Kind: query.KindEngagement, Ascending: true, Limit: 9},
		"/activity/engagement?order=desc":                                       {Kind: query.KindEngagement},
		"/activity/users/ann?groupBy=action":                                    {Metrics: []string{"actions", "action_duration", "sessions", "active_time", "session_duration_avg"}, GroupBy: []string{"action"}, Filters: []query.Filter{only("user", "ann")}},
		"/activity/users/ann%2Fx/sessions?limit=8":                              {Kind: query.KindSessions, Limit: 8, Filters: []query.Filter{only("user", "ann/x")}},
		"/activity/users/ann/audit?resource=workflow&resource_id=w&before=1/a": {
			Kind: query.KindAuditTrail, Params: map[string]string{"user": "ann", "resource": "workflow", "resource_id": "w", "before": "1/a"},
		},
	} {
		f := &fake{result: sampleResult()}
		h, _ := newHandler(t, f)
		target, separator := Root+target, "?"
		if want.Kind != query.KindWaterfall {
			for _, r := range target {
				if r == '?' {
					separator = "&"
				}
			}
			target += separator + period
		}
		status, _, body := call(t, h, "admin", http.MethodGet, target, "")
		require.Equal(t, http.StatusOK, status, "%s: %v", target, body)
		assert.Equal(t, want.Kind == query.KindWaterfall, f.asked.From.IsZero(), target)
		f.asked.From, f.asked.To = time.Time{}, time.Time{}
		assert.Equal(t, want, f.asked, target)
	}
}

// And over a real engine each of them answers, with figures that are reckoned here.
func TestEndpointsAnswer(t *testing.T) {
	s := querytest.New(t)
	day := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	at := func(h, m int) int64 {
		return day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute).UnixMilli()
	}
	decimal := func(text string) event.Decimal {
		d, err := event.ParseDecimal([]byte(text))
		require.NoError(t, err)
		return d
	}
	var events []event.Event
	for i, version := range []uint32{1, 1, 2, 2} {
		id, end := string(rune('a'+i)), at(i+1, 0)
		minutes := int64(i+1) * 60_000
		events = append(events, event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: id, Time: end, PreviousTime: event.NoTime,
			WorkflowID: "w", WorkflowVersion: version, UserID: "ann", TriggerType: "cron", Duration: minutes,
		}, event.Event{
			Kind: event.KindStep, Status: event.StatusCompleted, Tenant: "acme", ID: "s" + id, Time: end - minutes, EndTime: end, PreviousTime: event.NoTime, QueuedTime: event.NoTime,
			ExecutionID: id, StepID: "fetch", StepType: "http", Duration: minutes, WorkflowID: "w", WorkflowVersion: version, UserID: "ann", Credits: decimal("2"),
		}, event.Event{
			Kind: event.KindCost, Tenant: "acme", ID: "c" + id, Time: end, PreviousTime: event.NoTime, ExecutionID: id, WorkflowID: "w", UserID: "ann",
			ActionType: "llm", Credits: decimal("1.5"), Dollars: decimal("0.25"),
		}, event.Event{
			Kind: event.KindActivity, Tenant: "acme", ID: "l" + id, Time: end, PreviousTime: event.NoTime, UserID: "ann", Action: "login", Resource: "workflow", ResourceID: "w", SessionID: "s",
		})
	}
	events = append(events, event.Event{
		Kind: event.KindCost, Tenant: "acme", ID: "before", Time: day.AddDate(0, 0, -9).UnixMilli(), PreviousTime: event.NoTime, UserID: "ann", ActionType: "llm", Dollars: decimal("0.5"),
	})
	s.Insert(t, events...)
	s.Settle(t)
	engine, err := query.New(query.Config{Client: s.Client, Now: func() time.Time { return day.AddDate(0, 0, 2) }})
	require.NoError(t, err)
	h, _ := newHandler(t, engine)
	const span = "from=2026-03-02&to=2026-03-03"
	for _, c := range []struct {
		target string
		rows   int            // 0 is some
		want   map[string]any // of the first row
	}{
		{"/executions/b", 2, map[string]any{"line": "execution", "id": "b", "workflow": "w", "duration_ms": 120000.0}},
		{"/workflows/rankings?min_executions=1&" + span, 1, map[string]any{"rank": 1.0, "workflow": "w", "executions": 4.0, "total_time_ms": 600000.0}},
		{"/workflows/w/performance?groupBy=version&" + span, 2, map[string]any{"version": "1", "executions": 2.0, "duration_avg": 90000.0, "success_rate": 1.0}},
		{"/workflows/w/steps?" + span, 1, map[string]any{"step": "fetch", "step_type": "http", "steps": 4.0, "step_duration_sum": 600000.0}},
		{"/workflows/w/bottlenecks?" + span, 1, map[string]any{"step": "fetch", "executions": 4.0, "on_path": 4.0, "share": 1.0}},
		{"/workflows/comparison?workflow=w&baseline=1&candidate=2&" + span, 3, map[string]any{"measure": "success_rate", "baseline": 1.0, "candidate": 1.0, "verdict": "no evidence"}},
		{"/costs/breakdown?" + span, 1, map[string]any{"rank": 1.0, "group": "llm", "dollars": "1", "credits": "6", "records": 4.0, "share": 1.0}},
		{"/costs/reconciliation?by=workflow&" + span, 1, map[string]any{"group": "w", "step_credits": "8", "cost_credits": "6", "difference": "-2", "executions_differing": 4.0}},
		{"/costs/forecast?horizon=3&from=2026-01-01&to=2026-03-03", 0, nil},
		{"/activity/engagement?" + span, 1, map[string]any{"user": "ann"}},
		{"/activity/users/ann?" + span, 1, map[string]any{"actions": 4.0, "sessions": 1.0, "active_time": 3 * 3600_000.0}},
		{"/activity/users/ann/sessions?" + span, 1, map[string]any{"user": "ann", "session": "s", "actions": 4.0}},
		{"/activity/users/ann/audit?" + span, 4, map[string]any{"user": "ann", "action": "login", "resource_id": "w", "time": "2026-03-02T04:00:00Z"}},
	} {
		status, _, body := call(t, h, "admin", http.MethodGet, Root+c.target, "")
		require.Equal(t, http.StatusOK, status, "%s: %v", c.target, body)
		rows := body["data"].([]any)
		if c.rows == 0 {
			assert.NotEmpty(t, rows, c.target)
		} else if assert.Len(t, rows, c.rows, c.target) {
			first := rows[0].(map[string]any)
			for name, want := range c.want {
				assert.Equal(t, want, first[name], "%s: %s", c.target, name)
			}
		}
		status, _, body = call(t, h, "", http.MethodGet, Root+c.target, "")
		assert.Equal(t, http.StatusUnauthorized, status, "%s: %v", c.target, body)
	}
}
