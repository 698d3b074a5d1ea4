package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// The whole way, from the URL to ClickHouse and back.
func TestEndpointsOverARealEngine(t *testing.T) {
	s := querytest.New(t)
	day := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
	run := func(id string, status event.Status, after time.Duration, duration int64) event.Event {
		return event.Event{
			Kind: event.KindExecution, Status: status, Tenant: "acme", ID: id, Time: day.Add(after).UnixMilli(), PreviousTime: event.NoTime,
			WorkflowID: "wf", WorkflowVersion: 2, UserID: "ann", TriggerType: "cron", Duration: duration,
		}
	}
	failed := run("2", event.StatusFailed, 4*time.Hour, 3000)
	failed.ErrorType, failed.ErrorMessage = "io", "disk 7 is full"
	dollars, err := event.ParseDecimal([]byte("0.100000000000001"))
	require.NoError(t, err)
	s.Insert(t,
		run("1", event.StatusStarted, time.Hour, 0), run("1", event.StatusCompleted, 2*time.Hour, 1000), failed,
		run("3", event.StatusStarted, 5*time.Hour, 0),
		event.Event{Kind: event.KindCost, Tenant: "acme", ID: "c", Time: day.UnixMilli(), ActionType: "llm", Dollars: dollars},
	)
	s.Settle(t)
	engine, err := query.New(query.Config{Client: s.Client, Now: func() time.Time { return day.AddDate(0, 0, 2) }})
	require.NoError(t, err)
	h, _ := newHandler(t, engine)
	get := func(path string) map[string]any {
		status, _, body := call(t, h, "admin", http.MethodGet, Root+path, "")
		require.Equal(t, http.StatusOK, status, body)
		return body
	}
	summary := get("/executions/summary?from=2026-03-29&to=2026-03-30")
	require.Equal(t, map[string]any{
		"total": 2.0, "completed": 1.0, "failed": 1.0, "started": 2.0, "running": 1.0, "successRate": 0.5,
		"durationMs": map[string]any{
			"sum": 4000.0, "avg": 2000.0, "p50": event.BucketMidpoint(event.DurationBucket(1000)) * 1000,
			"p95": 3000.0, "p99": 3000.0, // The longest duration, below its bucket's midpoint.
		},
	}, summary["data"])
	empty := get("/executions/summary?from=2025-03-29&to=2025-03-30")["data"].(map[string]any)
	require.InDelta(t, 0, empty["total"], 0)
	require.Nil(t, empty["successRate"])

	rows := get("/executions?from=2026-03-29&to=2026-03-30&granularity=day&timeZone=Europe/Berlin&groupBy=workflowId&metrics=executions")
	require.Equal(t, []any{map[string]any{"time": "2026-03-29T00:00:00+01:00", "workflow": "wf", "executions": 2.0, "partial": false}}, rows["data"])
	rows = get("/costs?from=2026-03-29&to=2026-03-30&groupBy=actionType&metrics=dollars")
	require.Equal(t, []any{map[string]any{"action_type": "llm", "dollars": "0.100000000000001"}}, rows["data"])
	rows = get("/activity?from=2026-03-29&to=2026-03-30")
	require.Len(t, rows["data"], 1)
	failures := get("/executions/errors?from=2026-03-29&to=2026-03-30")["data"].([]any)
	require.Equal(t, "disk <num> is full", failures[0].(map[string]any)["message"])
	require.Equal(t, []any{"cron"}, get("/values/trigger_type?from=2026-03-29&to=2026-03-30")["data"])
	require.NotEmpty(t, get("/catalogue")["metrics"])

	status, _, problem := call(t, h, "admin", http.MethodGet, Root+"/costs?from=2026-03-29&to=2026-03-30&metrics=dollars_per_execution&groupBy=action_type", "")
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "groupBy", problem["param"])
	status, _, _ = call(t, h, "viewer", http.MethodPost, Root+"/query", `{"metrics":["events_stored"],"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"}`)
	require.Equal(t, http.StatusForbidden, status)
}

func TestAwayDatabaseIs503(t *testing.T) {
	client, err := clickhouse.New(clickhouse.Config{Addr: "127.0.0.1:1", Database: "none"})
	require.NoError(t, err)
	engine, err := query.New(query.Config{Client: client})
	require.NoError(t, err)
	h, _ := newHandler(t, engine)
	status, header, body := call(t, h, "admin", http.MethodGet, Root+"/executions?"+period, "")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.NotEmpty(t, header.Get("Retry-After"))
	require.NotContains(t, body["detail"], "127.0.0.1")
}
