package metric

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var snake = regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)*$`)

func TestCatalogueIsComplete(t *testing.T) {
	units := map[string]bool{"short": true, "ms": true, "percentunit": true, "currencyUSD": true, "bytes": true}
	seen := map[string]bool{}
	for _, m := range All().Metrics {
		require.Regexp(t, snake, m.Name)
		require.False(t, seen[m.Name], m.Name)
		seen[m.Name] = true
		require.NotEmpty(t, m.Title, m.Name)
		require.NotEmpty(t, m.Description, m.Name)
		require.NotEmpty(t, m.Formula, m.Name)
		require.True(t, units[m.Unit], m.Name)
		require.NotEmpty(t, m.Area, m.Name)
		require.NotEmpty(t, m.Sources, m.Name)
		require.NotNil(t, m.Dimensions, "%s: null is no list in JSON", m.Name)
		require.False(t, m.Gauge && m.Additive, m.Name)
		for _, d := range m.Dimensions {
			_, ok := LookupDimension(d)
			require.True(t, ok, "%s: %s", m.Name, d)
		}
		found, ok := Lookup(m.Name)
		require.True(t, ok)
		require.Equal(t, m.Name, found.Name)
	}
	for _, d := range All().Dimensions {
		require.Regexp(t, snake, d.Name)
		require.NotEmpty(t, d.Title, d.Name)
		require.NotEmpty(t, d.Description, d.Name)
	}
}

// Dashboards, alerts and PromQL are written against these names.
func TestNamesAreStable(t *testing.T) {
	require.Equal(t, []string{
		"executions", "executions_started", "executions_completed", "executions_failed", "success_rate", "failure_rate",
		"executions_running", "duration_sum", "duration_avg", "duration_p50", "duration_p90", "duration_p95", "duration_p99",
		"duration_max",
		"executions_queued", "queue_time_sum", "queue_time_avg", "queue_time_p50", "queue_time_p95", "queue_time_max", "executions_retried", "retry_rate", "attempts_max",
		"active_workflows", "executing_users",
		"steps", "steps_completed", "steps_failed", "steps_skipped", "step_failure_rate", "step_duration_sum",
		"step_duration_avg", "step_duration_p50", "step_duration_p90", "step_duration_p95", "step_duration_p99",
		"step_duration_max",
		"steps_queued", "step_queue_time_sum", "step_queue_time_avg", "step_queue_time_p50", "step_queue_time_p95", "step_queue_time_max", "steps_retried", "step_retry_rate", "step_attempts_max",
		"step_input_bytes", "step_output_bytes", "step_credits",
		"credits", "credits_charged", "credits_credited", "dollars", "dollars_charged", "dollars_credited", "dollars_derived", "cost_records", "cost_records_credited", "cost_records_unpriced",
		"dollars_per_execution", "credits_per_execution",
		"actions", "action_duration", "active_users", "active_users_7d", "active_users_28d", "stickiness", "sessions", "active_time", "session_duration_avg",
		"events_received", "events_accepted", "events_duplicate", "events_rejected", "events_added", "events_stored", "ingest_lag_avg", "ingest_lag_max", "pending_buckets",
		"events_visible", "events_replaced", "execution_conflicts", "execution_conflict_span", "dead_letters",
	}, Names())
	require.Equal(t, []string{
		"workflow", "version", "trigger_type", "error_type", "user", "team", "step", "step_type", "action_type", "action", "resource",
		"source", "event_kind", "reject_code", "execution", "hour_of_day", "weekday", "dead_letter_state",
	}, DimensionNames())
}
