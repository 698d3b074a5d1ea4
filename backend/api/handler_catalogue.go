package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// GetCatalogue answers GET /catalogue.
func (s server) GetCatalogue(c *gin.Context) { c.JSON(http.StatusOK, s.analytics.Catalogue()) }

// GetOpenAPI answers GET /openapi.yaml.
func (s server) GetOpenAPI(c *gin.Context) {
	c.Data(http.StatusOK, "application/yaml; charset=utf-8", openAPI)
}
