package api

import "github.com/gin-gonic/gin"

var executionsEndpoint = areaEndpoint("Executions",
	"executions", "executions_completed", "executions_failed", "success_rate", "duration_avg", "duration_p50", "duration_p95")

// executions answers GET /executions.
func (a *API) executions(c *gin.Context) { a.area(c, &executionsEndpoint) }

// area answers an endpoint for the metrics of an area.
func (a *API) area(c *gin.Context, e *endpoint) {
	r, err := e.request(c.Request.URL.Query())
	if err != nil {
		a.fail(c, err)
		return
	}
	res, err := a.analytics.Do(c.Request.Context(), principal(c), r)
	if err != nil {
		a.fail(c, err)
		return
	}
	a.answer(c, res)
}
