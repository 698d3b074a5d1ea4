package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
)

// GetActivity answers GET /activity.
func (s server) GetActivity(c *gin.Context, params spec.GetActivityParams) {
	s.area(c, read(params), "Activity", "actions", "active_users", "action_duration")
}
