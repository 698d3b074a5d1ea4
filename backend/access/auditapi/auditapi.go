// Package auditapi lets administrators read over HTTP who read what, and what is kept
// from whom:
//
//	GET /api/v1/audit           records, the newest first; next is the cursor of the next page
//	GET /api/v1/audit/verify    recomputes the chains
//	GET /api/v1/policy          the tenant's access policy
//	PUT /api/v1/policy          a new one, YAML or JSON
package auditapi

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/rest"
)

// Where the endpoints are.
const (
	Root       = "/api/v1/audit"
	PolicyRoot = "/api/v1/policy"
)

const (
	defaultRecords = 100
	maxRecords     = 10_000
)

// API serves the endpoints.
type API struct {
	client   *clickhouse.Client
	policies *policy.Store
	auth     rest.Authenticator
	log      *slog.Logger
}

// New returns an API.
func New(client *clickhouse.Client, policies *policy.Store, auth rest.Authenticator, log *slog.Logger) *API {
	return &API{client: client, policies: policies, auth: auth, log: log}
}

// Register adds the endpoints to a router.
func (a *API) Register(router gin.IRouter) {
	admit := rest.Admit(a.auth, a.log, access.ScopeAdmin)
	g := router.Group(Root, admit)
	g.GET("", a.list)
	g.GET("/verify", a.verify)
	p := router.Group(PolicyRoot, admit)
	p.GET("", a.policy)
	p.PUT("", a.putPolicy)
}

func (a *API) list(c *gin.Context) {
	page := audit.Page{UserID: c.Query("userId"), KeyID: c.Query("keyId"), Kind: c.Query("kind"), Outcome: c.Query("outcome"), Cursor: c.Query("cursor"), Limit: defaultRecords}
	for name, at := range map[string]*time.Time{"from": &page.From, "to": &page.To} {
		text := c.Query(name)
		if text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", name+" must be RFC 3339, e.g. 2026-03-01T00:00:00Z")
			return
		}
		*at = t
	}
	if text := c.Query("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxRecords {
			rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", "limit must be 1 to "+strconv.Itoa(maxRecords)+", e.g. 100")
			return
		}
		page.Limit = n
	}
	records, next, err := audit.List(c.Request.Context(), a.client, rest.Principal(c).Tenant, page)
	switch {
	case errors.Is(err, audit.ErrCursor):
		rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", "cursor: "+err.Error())
		return
	case err != nil:
		rest.Unavailable(c, a.log, err)
		return
	}
	answer := gin.H{"records": records}
	if next != "" {
		answer["next"] = next
	}
	c.JSON(http.StatusOK, answer)
}

func (a *API) verify(c *gin.Context) {
	report, err := audit.Verify(c.Request.Context(), a.client, rest.Principal(c).Tenant)
	if err != nil {
		rest.Unavailable(c, a.log, err)
		return
	}
	c.JSON(http.StatusOK, report)
}

func (a *API) policy(c *gin.Context) {
	d, revision, err := a.policies.Current(c.Request.Context(), rest.Principal(c).Tenant)
	if err != nil {
		rest.Unavailable(c, a.log, err)
		return
	}
	c.Header("ETag", rest.ETag(revision))
	c.JSON(http.StatusOK, d)
}

func (a *API) putPolicy(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, policy.MaxBytes))
	if err != nil {
		rest.Refuse(c, http.StatusRequestEntityTooLarge, "body_too_large", "a policy has at most "+strconv.Itoa(policy.MaxBytes)+" bytes")
		return
	}
	d, err := policy.Parse(body)
	if err != nil {
		rest.Refuse(c, http.StatusBadRequest, "invalid_policy", err.Error())
		return
	}
	p := rest.Principal(c)
	revision, err := a.policies.Put(c.Request.Context(), p.Tenant, "API key "+p.KeyID, d)
	if err != nil {
		rest.Unavailable(c, a.log, err)
		return
	}
	a.log.InfoContext(c.Request.Context(), "an access policy was put in force", "tenant", p.Tenant, "revision", revision, "by", p.KeyID)
	c.Header("ETag", rest.ETag(revision))
	c.JSON(http.StatusOK, d)
}
