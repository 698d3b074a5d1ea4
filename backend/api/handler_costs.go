package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
)

// GetCosts answers GET /costs.
func (s server) GetCosts(c *gin.Context, params spec.GetCostsParams) {
	s.area(c, read(params), "Costs", "credits", "dollars", "cost_records")
}
