package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// CollectorRoot is where the endpoints about taking events in are.
const CollectorRoot = base + "/collector"

// Conflicts lists executions with more than one end; query.Engine does.
type Conflicts interface {
	Conflicts(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error)
}

// lettersHere reports whether this process looks after dead letters, and answers
// when it does not.
func (a *API) lettersHere(c *gin.Context) bool {
	if a.letters == nil {
		a.problem(c, elsewhere("this process does not look after dead letters"))
	}
	return a.letters != nil
}

// replaysHere wants a process that takes events in.
func (a *API) replaysHere(c *gin.Context) bool {
	if a.replays == nil && a.lettersHere(c) {
		a.problem(c, elsewhere("this process takes no events in: ask a collector"))
	}
	return a.letters != nil && a.replays != nil
}

func elsewhere(detail string) *Problem {
	return &Problem{Type: problemType("not-implemented"), Title: "Not here", Status: http.StatusNotImplemented, Detail: detail}
}

// mayChange wants a key that may do more than read.
func (a *API) mayChange(c *gin.Context) {
	if p := principal(c); !p.Allows(access.ScopeAdmin) {
		a.problem(c, &Problem{Type: problemType("forbidden"), Title: "Forbidden", Status: http.StatusForbidden, Detail: "the key may read only: this needs the scope admin"})
	}
}
