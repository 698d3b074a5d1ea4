// Package priceapi lets administrators look after price books over HTTP:
//
//	GET /api/v1/pricing              the book in force; its ETag is the revision
//	PUT /api/v1/pricing              a new one, YAML or JSON; If-Match names the one it replaces
//	GET /api/v1/pricing/revisions    every revision, the newest first
package priceapi

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/pricing"
	"github.com/flowgauge/flowgauge/backend/rest"
)

// Root is where the endpoints are.
const Root = "/api/v1/pricing"

// API serves the endpoints.
type API struct {
	prices *pricing.Store
	auth   rest.Authenticator
	log    *slog.Logger
}

// New returns an API.
func New(prices *pricing.Store, auth rest.Authenticator, log *slog.Logger) *API {
	return &API{prices: prices, auth: auth, log: log}
}

// Register adds the endpoints to a router.
func (a *API) Register(router gin.IRouter) {
	g := router.Group(Root, rest.Admit(a.auth, a.log, access.ScopeAdmin))
	g.GET("", a.show)
	g.PUT("", a.put)
	g.GET("/revisions", a.revisions)
}

// show answers with the book in force.
func (a *API) show(c *gin.Context) {
	r, err := a.prices.Current(c.Request.Context(), rest.Principal(c).Tenant)
	switch {
	case errors.Is(err, pricing.ErrNone):
		rest.Refuse(c, http.StatusNotFound, "not_found", "there is no price book yet: PUT one")
	case err != nil:
		rest.Unavailable(c, a.log, err)
	default:
		c.Header("ETag", rest.ETag(r.Revision))
		c.JSON(http.StatusOK, r)
	}
}

// revisions answers with the history.
func (a *API) revisions(c *gin.Context) {
	all, err := a.prices.History(c.Request.Context(), rest.Principal(c).Tenant)
	if err != nil {
		rest.Unavailable(c, a.log, err)
		return
	}
	if all == nil {
		all = []pricing.Revision{}
	}
	c.JSON(http.StatusOK, gin.H{"revisions": all})
}

// put puts a book in force. If-Match is asked for, so that nobody overwrites what
// they have not seen; * and no book at all need none.
func (a *API) put(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, pricing.MaxBytes))
	if err != nil {
		rest.Refuse(c, http.StatusRequestEntityTooLarge, "body_too_large", "a price book has at most "+strconv.Itoa(pricing.MaxBytes)+" bytes")
		return
	}
	book, err := pricing.Parse(body)
	if err != nil {
		rest.Refuse(c, http.StatusBadRequest, "invalid_price_book", err.Error())
		return
	}
	ctx, p := c.Request.Context(), rest.Principal(c)
	base := uint64(0)
	switch match := c.GetHeader("If-Match"); match {
	case "":
	case "*":
		current, err := a.prices.Current(ctx, p.Tenant)
		if err != nil && !errors.Is(err, pricing.ErrNone) {
			rest.Unavailable(c, a.log, err)
			return
		}
		base = current.Revision
	default:
		if base, err = strconv.ParseUint(strings.Trim(match, `"`), 10, 64); err != nil {
			rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", "If-Match is not an ETag of the price book")
			return
		}
	}
	r, err := a.prices.Put(ctx, p.Tenant, "API key "+p.KeyID, book, base)
	switch {
	case errors.Is(err, pricing.ErrChanged) && c.GetHeader("If-Match") == "":
		rest.Refuse(c, http.StatusPreconditionRequired, "precondition_required", "there is a price book already: send its ETag in If-Match, or * to replace whatever is there")
	case errors.Is(err, pricing.ErrChanged):
		rest.Refuse(c, http.StatusPreconditionFailed, "precondition_failed", err.Error())
	case err != nil:
		rest.Unavailable(c, a.log, err)
	default:
		a.log.InfoContext(ctx, "a price book was put in force", "tenant", p.Tenant, "revision", r.Revision, "rules", len(book.Rules), "by", p.KeyID)
		c.Header("ETag", rest.ETag(r.Revision))
		c.JSON(http.StatusOK, r)
	}
}
