package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

// GetExecutions answers GET /executions.
func (s server) GetExecutions(c *gin.Context, params spec.GetExecutionsParams) {
	s.area(c, read(params), "Executions",
		"executions", "executions_completed", "executions_failed", "success_rate", "duration_avg", "duration_p50", "duration_p95")
}

// area answers with metrics of an area of the catalogue, by default with those named.
func (a *API) area(c *gin.Context, g given, area string, metrics ...string) {
	r, err := g.request(query.Request{Metrics: metrics})
	if err == nil {
		err = within(r.Metrics, area)
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	a.ask(c, r)
}

// ask answers with what the engine says to a request.
func (a *API) ask(c *gin.Context, r query.Request) {
	f, err := negotiate(c)
	if err != nil {
		a.fail(c, err)
		return
	}
	res, err := a.analytics.Do(c.Request.Context(), principal(c), r)
	if err != nil {
		a.fail(c, err)
		return
	}
	a.answer(c, f, r, res)
}
