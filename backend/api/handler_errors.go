package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

// GetExecutionsErrors answers GET /executions/errors.
func (s server) GetExecutionsErrors(c *gin.Context, params spec.GetExecutionsErrorsParams) {
	s.kind(c, read(params), query.KindErrors)
}

// kind answers a question of a kind.
func (a *API) kind(c *gin.Context, g given, k query.Kind) {
	r, err := g.request(query.Request{Kind: k})
	if err != nil {
		a.fail(c, err)
		return
	}
	a.ask(c, r)
}
