package keyapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/rest"
)

// DefaultGrace is how long an old secret stays good when the caller says nothing.
const DefaultGrace = 24 * time.Hour

const maxBody = 64 << 10

// wanted is the body of a request for a new key.
type wanted struct {
	Tenant      string         `json:"tenant"` // the caller's by default
	Name        string         `json:"name"`
	Scopes      []access.Scope `json:"scopes"`
	CrossTenant bool           `json:"crossTenant"`
	Role        access.Role    `json:"role"`
	UserID      string         `json:"userId"`
	ExpiresAt   time.Time      `json:"expiresAt"` // never by default
	Certificate string         `json:"certificate"`
	Limits      access.Limits  `json:"limits"`
}

// issued is a key with its secret, which only this answer has.
type issued struct {
	keystore.Description
	Secret string `json:"secret"`
}

// create makes a key.
func (a *API) create(c *gin.Context) {
	var w wanted
	if !rest.Decode(c, &w, maxBody, true, "tenant, name, scopes, role, userId, crossTenant, expiresAt, certificate, limits") {
		return
	}
	p := rest.Principal(c)
	if w.Tenant == "" {
		w.Tenant = p.Tenant
	}
	if !p.CrossTenant && (w.Tenant != p.Tenant || w.CrossTenant || w.Certificate != "") {
		rest.Refuse(c, http.StatusForbidden, "tenant_mismatch", "keys of another tenant, cross-tenant keys and keys with a certificate are made by cross-tenant administrators")
		return
	}
	secret, k, err := a.keys.Create(c.Request.Context(), keystore.Key{
		Tenant: w.Tenant, Name: w.Name, Scopes: w.Scopes, CrossTenant: w.CrossTenant, Role: w.Role, UserID: w.UserID,
		ExpiresAt: w.ExpiresAt.UTC(), Certificate: w.Certificate, Limits: w.Limits,
	})
	if err != nil {
		a.fail(c, err)
		return
	}
	a.log.InfoContext(c.Request.Context(), "an API key was made", "key_id", k.ID, "tenant", k.Tenant, "by", p.KeyID)
	c.Header("Location", Root+"/"+k.ID)
	c.JSON(http.StatusCreated, issued{keystore.Describe(k, time.Time{}, time.Now()), secret})
}

// rotate gives a key a new secret.
func (a *API) rotate(c *gin.Context) {
	k, ok := a.findOwn(c)
	if !ok {
		return
	}
	var w struct {
		Grace string `json:"grace"`
	}
	if !rest.Decode(c, &w, maxBody, true, "grace") {
		return
	}
	grace := DefaultGrace
	if w.Grace != "" {
		var err error
		if grace, err = time.ParseDuration(w.Grace); err != nil {
			rest.Refuse(c, http.StatusBadRequest, "invalid_key", "grace: give a duration, e.g. 24h or 0s")
			return
		}
	}
	secret, k, err := a.keys.Rotate(c.Request.Context(), k.ID, grace)
	if err != nil {
		a.fail(c, err)
		return
	}
	a.log.InfoContext(c.Request.Context(), "an API key was rotated", "key_id", k.ID, "tenant", k.Tenant, "by", rest.Principal(c).KeyID)
	c.JSON(http.StatusOK, issued{keystore.Describe(k, time.Time{}, time.Now()), secret})
}

// revoke ends a key.
func (a *API) revoke(c *gin.Context) {
	k, ok := a.findOwn(c)
	if !ok {
		return
	}
	if _, err := a.keys.Revoke(c.Request.Context(), k.ID); err != nil {
		a.fail(c, err)
		return
	}
	a.log.InfoContext(c.Request.Context(), "an API key was revoked", "key_id", k.ID, "tenant", k.Tenant, "by", rest.Principal(c).KeyID)
	c.Status(http.StatusNoContent)
}
