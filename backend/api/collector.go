package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// CollectorRoot is where the endpoints about taking events in are.
const CollectorRoot = "/api/v1/collector"

// Conflicts lists executions with more than one end; query.Engine does.
type Conflicts interface {
	Conflicts(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error)
}

// RegisterCollector adds the endpoints about taking events in to a router: what
// arrived and what became of it, and what was refused. They are for administrators.
func (a *API) RegisterCollector(router gin.IRouter) {
	g := router.Group(CollectorRoot, a.metrics.observe, a.authenticate)
	g.GET("/completeness", a.completeness)
	g.GET("/conflicts", a.conflicts)

	letters := g.Group("/dead-letters", a.haveLetters)
	letters.GET("", a.deadLetters)
	letters.GET("/:id", a.deadLetter)
	change := letters.Group("", a.mayChange)
	change.DELETE("/:id", a.discard)
	change.POST("/replay", a.haveReplays, a.replayAll)
	change.POST("/:id/replay", a.haveReplays, a.replay)
}

func (a *API) haveLetters(c *gin.Context) {
	if a.letters == nil {
		a.problem(c, elsewhere("this process does not look after dead letters"))
	}
}

// haveReplays wants a process that takes events in.
func (a *API) haveReplays(c *gin.Context) {
	if a.replays == nil {
		a.problem(c, elsewhere("this process takes no events in: ask a collector"))
	}
}

func elsewhere(detail string) *Problem {
	return &Problem{Type: problemType("not-implemented"), Title: "Not here", Status: http.StatusNotImplemented, Detail: detail}
}

// mayChange wants a key that may do more than read.
func (a *API) mayChange(c *gin.Context) {
	if p := principal(c); !p.Allows(access.ScopeAdmin) {
		a.problem(c, &Problem{Type: problemType("forbidden"), Title: "Forbidden", Status: http.StatusForbidden, Detail: "the key may read dead letters; to replay or discard them it needs the scope admin"})
	}
}
