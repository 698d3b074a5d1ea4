package api

import "github.com/gin-gonic/gin"

var activityEndpoint = areaEndpoint("Activity", "actions", "active_users", "action_duration")

// activity answers GET /activity.
func (a *API) activity(c *gin.Context) { a.area(c, &activityEndpoint) }
