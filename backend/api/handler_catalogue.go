package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// catalogue answers GET /catalogue.
func (a *API) catalogue(c *gin.Context) { c.JSON(http.StatusOK, a.analytics.Catalogue()) }

// describe answers GET /openapi.yaml.
func (a *API) describe(c *gin.Context) {
	c.Data(http.StatusOK, "application/yaml; charset=utf-8", openAPI)
}
