package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// of restricts parameters to one value of a dimension, that of the path.
func (g given) of(dimension, value string) given {
	g.lists[dimension] = []string{value}
	g.names = append(g.names, dimension)
	return g
}

// GetExecution answers GET /executions/{id}.
func (s server) GetExecution(c *gin.Context, id string, params spec.GetExecutionParams) {
	g := read(params)
	g.text["execution"] = id
	s.kind(c, g, query.KindWaterfall)
}

// GetWorkflowPerformance answers GET /workflows/{id}/performance.
func (s server) GetWorkflowPerformance(c *gin.Context, id string, params spec.GetWorkflowPerformanceParams) {
	s.area(c, read(params).of(metric.Workflow, id), "Executions",
		"executions", "executions_failed", "success_rate", "duration_avg", "duration_p50", "duration_p95", "duration_p99", "duration_max")
}

// GetWorkflowSteps answers GET /workflows/{id}/steps.
func (s server) GetWorkflowSteps(c *gin.Context, id string, params spec.GetWorkflowStepsParams) {
	g := read(params).of(metric.Workflow, id)
	if g.text["groupBy"] == "" {
		g.text["groupBy"] = metric.Step + "," + metric.StepType
		if params.Granularity == nil && params.OrderBy == nil && params.Order == nil && params.Metrics == nil {
			g.text["orderBy"], g.text["order"] = "step_duration_sum", "desc"
		}
	}
	s.area(c, g, "Steps",
		"steps", "steps_failed", "step_failure_rate", "step_duration_avg", "step_duration_p50", "step_duration_p95", "step_duration_sum")
}

// GetWorkflowBottlenecks answers GET /workflows/{id}/bottlenecks.
func (s server) GetWorkflowBottlenecks(c *gin.Context, id string, params spec.GetWorkflowBottlenecksParams) {
	s.kind(c, read(params).of(metric.Workflow, id), query.KindBottlenecks)
}

// GetCostsBreakdown answers GET /costs/breakdown.
func (s server) GetCostsBreakdown(c *gin.Context, params spec.GetCostsBreakdownParams) {
	s.kind(c, read(params), query.KindCostBreakdown)
}

// GetWorkflowRankings answers GET /workflows/rankings.
func (s server) GetWorkflowRankings(c *gin.Context, params spec.GetWorkflowRankingsParams) {
	s.kind(c, read(params), query.KindRanking)
}

// GetWorkflowComparison answers GET /workflows/comparison.
func (s server) GetWorkflowComparison(c *gin.Context, params spec.GetWorkflowComparisonParams) {
	s.kind(c, read(params), query.KindComparison)
}

// GetCostsForecast answers GET /costs/forecast.
func (s server) GetCostsForecast(c *gin.Context, params spec.GetCostsForecastParams) {
	s.kind(c, read(params), query.KindForecast)
}
