package api

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// GetActivity answers GET /activity.
func (s server) GetActivity(c *gin.Context, params spec.GetActivityParams) {
	s.area(c, read(params), "Activity", "actions", "active_users", "action_duration")
}

// GetEngagement answers GET /activity/engagement.
func (s server) GetEngagement(c *gin.Context, params spec.GetEngagementParams) {
	g := read(params)
	if g.text["order"] == "desc" { // as it is anyway
		delete(g.text, "order")
	}
	s.kind(c, g, query.KindEngagement)
}

// GetUserActivity answers GET /activity/users/{id}.
func (s server) GetUserActivity(c *gin.Context, id string, params spec.GetUserActivityParams) {
	s.area(c, read(params).of(metric.User, id), "Activity", "actions", "action_duration", "sessions", "active_time", "session_duration_avg")
}

// GetUserSessions answers GET /activity/users/{id}/sessions.
func (s server) GetUserSessions(c *gin.Context, id string, params spec.GetUserSessionsParams) {
	s.kind(c, read(params).of(metric.User, id), query.KindSessions)
}

// GetUserAudit answers GET /activity/users/{id}/audit.
func (s server) GetUserAudit(c *gin.Context, id string, params spec.GetUserAuditParams) {
	g := read(params)
	g.text["user"] = id
	s.kind(c, g, query.KindAuditTrail)
}
