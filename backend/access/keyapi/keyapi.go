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
	"github.com/flowgauge/flowgauge/backend/rest"
)

// Root is where the endpoints are.
const Root = "/api/v1/keys"

// API serves the endpoints.
type API struct {
	keys *keystore.Store
	auth rest.Authenticator
	log  *slog.Logger
}

// New returns an API.
func New(keys *keystore.Store, auth rest.Authenticator, log *slog.Logger) *API {
	return &API{keys: keys, auth: auth, log: log}
}

// Register adds the endpoints to a router.
func (a *API) Register(router gin.IRouter) {
	g := router.Group(Root, rest.Admit(a.auth, a.log, access.ScopeAdmin))
	g.GET("", a.list)
	g.POST("", a.create)
	g.GET("/:id", a.show)
	g.DELETE("/:id", a.revoke)
	g.POST("/:id/rotate", a.rotate)
}

// list answers with the keys of a tenant.
func (a *API) list(c *gin.Context) {
	tenant, p := c.Query("tenant"), rest.Principal(c)
	if tenant == "" {
		tenant = p.Tenant
	}
	if tenant != p.Tenant && !p.CrossTenant {
		rest.Refuse(c, http.StatusForbidden, "tenant_mismatch", "the keys of another tenant are for cross-tenant administrators")
		return
	}
	uses, err := a.keys.LastUses(c.Request.Context())
	if err != nil {
		rest.Unavailable(c, a.log, err)
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
		rest.Unavailable(c, a.log, err)
		return
	}
	c.JSON(http.StatusOK, keystore.Describe(k, uses[k.ID], time.Now()))
}

// find returns the key of the address. Another tenant's is as absent as none.
func (a *API) find(c *gin.Context) (keystore.Key, bool) {
	k, ok := a.keys.Get(c.Param("id"))
	if p := rest.Principal(c); !ok || k.Tenant != p.Tenant && !p.CrossTenant {
		a.fail(c, keystore.ErrNotFound)
		return keystore.Key{}, false
	}
	return k, true
}

// findOwn returns the key of the address for one who may change it. A key that is good
// for every tenant, or that a certificate presents, is more than its tenant's
// administrator has: whoever could give it a new secret would have that as well.
func (a *API) findOwn(c *gin.Context) (keystore.Key, bool) {
	k, ok := a.find(c)
	if ok && (k.CrossTenant || k.Certificate != "") && !rest.Principal(c).CrossTenant {
		rest.Refuse(c, http.StatusForbidden, "tenant_mismatch", "cross-tenant keys and keys with a certificate are changed by cross-tenant administrators")
		return keystore.Key{}, false
	}
	return k, ok
}

// fail answers with an error of the store.
func (a *API) fail(c *gin.Context, err error) {
	var invalid *keystore.InvalidError
	switch {
	case errors.As(err, &invalid):
		rest.Refuse(c, http.StatusBadRequest, "invalid_key", invalid.Error())
	case errors.Is(err, keystore.ErrNotFound):
		rest.Refuse(c, http.StatusNotFound, "not_found", "there is no such key")
	case errors.Is(err, keystore.ErrGone):
		rest.Refuse(c, http.StatusConflict, "revoked", err.Error())
	default:
		rest.Unavailable(c, a.log, err)
	}
}
