package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

var summaryMetrics = []string{
	"executions", "executions_completed", "executions_failed", "executions_started", "executions_running", "success_rate",
	"duration_sum", "duration_avg", "duration_p50", "duration_p95", "duration_p99",
}

// summaryData is what happened in a period; durations and the rate are null when
// no execution ended.
type summaryData struct {
	Total       *float64        `json:"total"`
	Completed   *float64        `json:"completed"`
	Failed      *float64        `json:"failed"`
	Started     *float64        `json:"started"`
	Running     *float64        `json:"running"`
	SuccessRate *float64        `json:"successRate"`
	DurationMs  summaryDuration `json:"durationMs"`
}

type summaryDuration struct {
	Sum *float64 `json:"sum"`
	Avg *float64 `json:"avg"`
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

// GetExecutionsSummary answers GET /executions/summary.
func (s server) GetExecutionsSummary(c *gin.Context, params spec.GetExecutionsSummaryParams) {
	r, err := read(params).request(query.Request{Metrics: summaryMetrics})
	if err != nil {
		s.fail(c, err)
		return
	}
	res, err := s.analytics.Do(c.Request.Context(), principal(c), r)
	if err != nil {
		s.fail(c, err)
		return
	}
	at := func(name string) *float64 {
		if f, _ := res.Frame.FieldByName(name); f != nil && f.Len() == 1 {
			v, _ := f.At(0).(*float64)
			return v
		}
		return nil
	}
	s.json(c, struct {
		Data summaryData `json:"data"`
		Meta query.Meta  `json:"meta"`
	}{summaryData{
		Total: at("executions"), Completed: at("executions_completed"), Failed: at("executions_failed"),
		Started: at("executions_started"), Running: at("executions_running"), SuccessRate: at("success_rate"),
		DurationMs: summaryDuration{
			Sum: at("duration_sum"), Avg: at("duration_avg"),
			P50: at("duration_p50"), P95: at("duration_p95"), P99: at("duration_p99"),
		},
	}, res.Meta})
}
