package api

import "github.com/gin-gonic/gin"

var costsEndpoint = areaEndpoint("Costs", "credits", "dollars", "cost_records")

// costs answers GET /costs.
func (a *API) costs(c *gin.Context) { a.area(c, &costsEndpoint) }
