package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// GetCatalogue answers GET /catalogue.
func (s server) GetCatalogue(c *gin.Context) {
	s.json(c, struct {
		metric.Catalogue
		Kinds []query.KindInfo `json:"kinds"`
	}{s.analytics.Catalogue(), s.analytics.Kinds(c.Request.Context())})
}

// GetOpenAPI answers GET /openapi.yaml.
func (s server) GetOpenAPI(c *gin.Context) {
	c.Data(http.StatusOK, "application/yaml; charset=utf-8", openAPI)
}
