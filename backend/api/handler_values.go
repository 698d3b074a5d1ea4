package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

var valuesEndpoint = endpoint{
	dimensions: metric.DimensionNames(),
	scalars:    []string{"from", "to", "timeZone", "limit", "search"},
}

// values answers GET /values/:dimension.
func (a *API) values(c *gin.Context) {
	raw := c.Request.URL.Query()
	r, err := valuesEndpoint.request(raw)
	if err != nil {
		a.fail(c, err)
		return
	}
	values, err := a.analytics.Values(c.Request.Context(), principal(c), query.ValuesRequest{
		Dimension: dimensionName(c.Param("dimension")), Search: raw.Get("search"),
		From: r.From, To: r.To, Filters: r.Filters, Limit: r.Limit,
	})
	if err != nil {
		a.fail(c, err)
		return
	}
	if values == nil {
		values = []string{}
	}
	c.JSON(http.StatusOK, gin.H{"data": values})
}
