package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

// GetRestatements answers GET /restatements.
func (s server) GetRestatements(c *gin.Context, params spec.GetRestatementsParams) {
	r, err := read(params).request(query.Request{Kind: query.KindRestatements, Metrics: []string{"dollars", "credits"}})
	if err != nil {
		s.fail(c, err)
		return
	}
	s.ask(c, r)
}
