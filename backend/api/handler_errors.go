package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

var errorsEndpoint = endpoint{
	dimensions: []string{metric.Workflow, metric.Version, metric.TriggerType, metric.ErrorType, metric.User},
	scalars:    []string{"from", "to", "timeZone", "limit"},
}

// errors answers GET /executions/errors.
func (a *API) errors(c *gin.Context) {
	r, err := errorsEndpoint.request(c.Request.URL.Query())
	if err != nil {
		a.fail(c, err)
		return
	}
	r.Kind = query.KindErrors
	res, err := a.analytics.Do(c.Request.Context(), principal(c), r)
	if err != nil {
		a.fail(c, err)
		return
	}
	a.answer(c, res)
}
