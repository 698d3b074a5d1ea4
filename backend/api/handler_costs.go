package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

// GetCosts answers GET /costs.
func (s server) GetCosts(c *gin.Context, params spec.GetCostsParams) {
	s.area(c, read(params), "Costs", "credits", "dollars", "cost_records")
}

// GetCostsReconciliation answers GET /costs/reconciliation.
func (s server) GetCostsReconciliation(c *gin.Context, params spec.GetCostsReconciliationParams) {
	s.kind(c, read(params), query.KindReconciliation)
}
