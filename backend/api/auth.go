package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

const principalKey = "flowgauge.principal"

// authenticate lets through who may read, and keeps the principal for the handler.
func (a *API) authenticate(c *gin.Context) {
	p, err := a.auth.Authenticate(c.Request)
	switch {
	case err != nil && a.denied(err):
		c.Header("WWW-Authenticate", `Bearer realm="flowgauge"`)
		a.problem(c, &Problem{Type: problemType("unauthenticated"), Title: "Unauthenticated", Status: http.StatusUnauthorized, Detail: err.Error()})
	case err != nil:
		a.log.ErrorContext(c.Request.Context(), "authenticate", "error", err)
		a.problem(c, &Problem{Type: problemType("unavailable"), Title: "Unavailable", Status: http.StatusServiceUnavailable, Detail: "who asks cannot be found out now: try again later", retryAfter: 5})
	case !p.Allows(access.ScopeRead):
		a.problem(c, &Problem{Type: problemType("forbidden"), Title: "Forbidden", Status: http.StatusForbidden, Detail: "the key may not read: it needs the scope read or admin"})
	default:
		c.Set(principalKey, p)
		c.Request = c.Request.WithContext(query.WithSurface(c.Request.Context(), "rest"))
	}
}

func principal(c *gin.Context) access.Principal {
	p, _ := c.MustGet(principalKey).(access.Principal)
	return p
}
