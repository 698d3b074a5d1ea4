package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

// GetValues answers GET /values/{dimension}.
func (s server) GetValues(c *gin.Context, dimension string, params spec.GetValuesParams) {
	g := read(params)
	r, err := g.request(query.Request{})
	if err != nil {
		s.fail(c, err)
		return
	}
	values, err := s.analytics.Values(c.Request.Context(), principal(c), query.ValuesRequest{
		Dimension: dimensionName(dimension), Search: g.text["search"],
		From: r.From, To: r.To, Filters: r.Filters, Limit: r.Limit,
	})
	if err != nil {
		s.fail(c, err)
		return
	}
	if values == nil {
		values = []string{}
	}
	s.json(c, gin.H{"data": values})
}
