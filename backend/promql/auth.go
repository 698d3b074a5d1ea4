package promql

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

const principalKey = "flowgauge.promql.principal"

// Bearer returns a request with its key as a bearer token. To this interface it comes
// so or, since every client of Prometheus can send that, as the password of basic
// authentication, whatever the user's name.
func Bearer(r *http.Request) *http.Request {
	if _, secret, ok := r.BasicAuth(); ok {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	return r
}

// authenticate lets through who may read.
func (a *API) authenticate(c *gin.Context) {
	r := Bearer(c.Request)
	p, err := a.auth.Authenticate(r)
	switch {
	case err != nil && a.denied(err):
		c.Header("WWW-Authenticate", `Bearer realm="flowgauge"`)
		c.Writer.Header().Add("WWW-Authenticate", `Basic realm="flowgauge"`)
		a.fail(c, http.StatusUnauthorized, "unauthenticated", err, nil)
	case err != nil:
		a.log.ErrorContext(r.Context(), "authenticate", "error", err)
		c.Header("Retry-After", "5")
		a.fail(c, http.StatusServiceUnavailable, typeUnavailable, errors.New("who asks cannot be found out now: try again later"), nil)
	case !p.Allows(access.ScopeRead):
		a.fail(c, http.StatusForbidden, "forbidden", errors.New("the key may not read: it needs the scope read or admin"), nil)
	default:
		c.Set(principalKey, p)
		ctx := query.WithSurface(c.Request.Context(), "promql")
		if a.records != nil {
			ctx = query.Recorded(ctx)
		}
		c.Request = c.Request.WithContext(ctx)
		return
	}
	c.Abort()
}

func principal(c *gin.Context) access.Principal {
	p, _ := c.MustGet(principalKey).(access.Principal)
	return p
}
