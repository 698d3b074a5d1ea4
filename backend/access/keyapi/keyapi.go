// Package keyapi lets administrators look after API keys over HTTP:
//
//	GET    /api/v1/keys              the tenant's keys
//	POST   /api/v1/keys              a new one; the answer has its secret, once
//	GET    /api/v1/keys/ID
//	DELETE /api/v1/keys/ID           revokes it, for good
//	POST   /api/v1/keys/ID/rotate    a new secret; the old one stays good for a grace
//
// An administrator sees and makes keys of their own tenant, and cannot give a key
// more than they have: only a cross-tenant key may look after other tenants,
// make cross-tenant keys, or let a client certificate stand for a key, since
// certificates' names are not any tenant's own.
package keyapi

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
)

// Root is where the endpoints are.
const Root = "/api/v1/keys"

// API serves the endpoints.
type API struct {
	keys *keystore.Store
	log  *slog.Logger
}

// New returns an API.
func New(keys *keystore.Store, log *slog.Logger) *API { return &API{keys: keys, log: log} }

// Register adds the endpoints to a router.
func (a *API) Register(router gin.IRouter) {
	g := router.Group(Root, a.admit)
	g.GET("", a.list)
	g.POST("", a.create)
	g.GET("/:id", a.show)
	g.DELETE("/:id", a.revoke)
	g.POST("/:id/rotate", a.rotate)
}

const principalKey = "flowgauge.keyapi.principal"

// admit lets administrators in.
func (a *API) admit(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	p, err := a.keys.Authenticate(c.Request)
	switch {
	case keystore.Denied(err):
		c.Header("WWW-Authenticate", `Bearer realm="flowgauge"`)
		refuse(c, http.StatusUnauthorized, "unauthenticated", err.Error())
	case err != nil:
		a.unavailable(c, err)
	case !p.Allows(access.ScopeAdmin):
		refuse(c, http.StatusForbidden, "forbidden", "keys are for administrators: the key needs the scope admin")
	default:
		c.Set(principalKey, p)
	}
}

func principal(c *gin.Context) access.Principal {
	p, _ := c.MustGet(principalKey).(access.Principal)
	return p
}

// list answers with the keys of a tenant.
func (a *API) list(c *gin.Context) {
	tenant, p := c.Query("tenant"), principal(c)
	if tenant == "" {
		tenant = p.Tenant
	}
	if tenant != p.Tenant && !p.CrossTenant {
		refuse(c, http.StatusForbidden, "tenant_mismatch", "the keys of another tenant are for cross-tenant administrators")
		return
	}
	uses, err := a.keys.LastUses(c.Request.Context())
	if err != nil {
		a.unavailable(c, err)
		return
	}
	now, out := time.Now(), []keystore.Description{}
	for _, k := range a.keys.List(tenant) {
		out = append(out, keystore.Describe(k, uses[k.ID], now))
	}
	c.JSON(http.StatusOK, gin.H{"keys": out})
}

// show answers with one key.
func (a *API) show(c *gin.Context) {
	k, ok := a.find(c)
	if !ok {
		return
	}
	uses, err := a.keys.LastUses(c.Request.Context())
	if err != nil {
		a.unavailable(c, err)
		return
	}
	c.JSON(http.StatusOK, keystore.Describe(k, uses[k.ID], time.Now()))
}

// find returns the key of the address. Another tenant's is as absent as none.
func (a *API) find(c *gin.Context) (keystore.Key, bool) {
	k, ok := a.keys.Get(c.Param("id"))
	if p := principal(c); !ok || k.Tenant != p.Tenant && !p.CrossTenant {
		a.fail(c, keystore.ErrNotFound)
		return keystore.Key{}, false
	}
	return k, true
}

// fail answers with an error of the store.
func (a *API) fail(c *gin.Context, err error) {
	var invalid *keystore.InvalidError
	switch {
	case errors.As(err, &invalid):
		refuse(c, http.StatusBadRequest, "invalid_key", invalid.Error())
	case errors.Is(err, keystore.ErrNotFound):
		refuse(c, http.StatusNotFound, "not_found", "there is no such key")
	case errors.Is(err, keystore.ErrGone):
		refuse(c, http.StatusConflict, "revoked", err.Error())
	default:
		a.unavailable(c, err)
	}
}

func (a *API) unavailable(c *gin.Context, err error) {
	a.log.ErrorContext(c.Request.Context(), "API keys", "method", c.Request.Method, "path", c.FullPath(), "error", err)
	c.Header("Retry-After", "5")
	refuse(c, http.StatusServiceUnavailable, "unavailable", "the database does not answer: try again later")
}

// refuse answers with a problem document (RFC 9457).
func refuse(c *gin.Context, status int, code, detail string) {
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(status, gin.H{
		"type": "urn:flowgauge:problem:" + code, "title": http.StatusText(status), "status": status, "code": code, "detail": detail,
	})
}
