// Package directoryapi lets administrators look after a tenant's users and teams
// over HTTP:
//
//	GET    /api/v1/directory              all of it; its ETag is the revision
//	PUT    /api/v1/directory              a whole new one, YAML or JSON; CSV as text/csv
//	GET    /api/v1/directory/users        and /teams
//	GET    /api/v1/directory/users/ID     and /teams/ID
//	PUT    /api/v1/directory/users/ID     and /teams/ID
//	DELETE /api/v1/directory/users/ID     and /teams/ID
//
// If-Match, where it is sent, must name the revision in force.
package directoryapi

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/rest"
)

// Root is where the endpoints are.
const Root = "/api/v1/directory"

const maxEntry = 16 << 20 // a team of every user

// API serves the endpoints.
type API struct {
	directory *directory.Store
	auth      rest.Authenticator
	log       *slog.Logger
}

// New returns an API.
func New(store *directory.Store, auth rest.Authenticator, log *slog.Logger) *API {
	return &API{directory: store, auth: auth, log: log}
}

// Register adds the endpoints to a router.
func (a *API) Register(router gin.IRouter) {
	g := router.Group(Root, rest.Admit(a.auth, a.log, access.ScopeAdmin))
	g.GET("", a.show)
	g.PUT("", a.replace)
	g.GET("/users", a.users)
	g.GET("/users/:id", a.user)
	g.PUT("/users/:id", a.putUser)
	g.DELETE("/users/:id", a.deleteUser)
	g.GET("/teams", a.teams)
	g.GET("/teams/:id", a.team)
	g.PUT("/teams/:id", a.putTeam)
	g.DELETE("/teams/:id", a.deleteTeam)
}

// read answers with a part of the directory.
func (a *API) read(c *gin.Context, part func(*directory.Snapshot) (any, bool)) {
	now, err := a.directory.Snapshot(c.Request.Context(), rest.Principal(c).Tenant)
	if err != nil {
		rest.Unavailable(c, a.log, err)
		return
	}
	out, ok := part(now)
	if !ok {
		a.fail(c, directory.ErrNotFound)
		return
	}
	c.Header("ETag", rest.ETag(now.Revision()))
	c.JSON(http.StatusOK, out)
}

func (a *API) show(c *gin.Context) {
	a.read(c, func(now *directory.Snapshot) (any, bool) { return now.Document(), true })
}

func (a *API) users(c *gin.Context) {
	a.read(c, func(now *directory.Snapshot) (any, bool) { return gin.H{"users": now.Document().Users}, true })
}

func (a *API) teams(c *gin.Context) {
	a.read(c, func(now *directory.Snapshot) (any, bool) { return gin.H{"teams": now.Document().Teams}, true })
}

func (a *API) user(c *gin.Context) {
	a.read(c, func(now *directory.Snapshot) (any, bool) { return found(now.User(c.Param("id"))) })
}

func (a *API) team(c *gin.Context) {
	a.read(c, func(now *directory.Snapshot) (any, bool) { return found(now.Team(c.Param("id"))) })
}

func found[T any](entry T, ok bool) (any, bool) { return entry, ok }

// replace puts a whole directory in force.
func (a *API) replace(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, directory.MaxBytes))
	if err != nil {
		rest.Refuse(c, http.StatusRequestEntityTooLarge, "body_too_large", "a directory has at most "+strconv.Itoa(directory.MaxBytes)+" bytes")
		return
	}
	parse := directory.Parse
	if strings.HasPrefix(c.ContentType(), "text/csv") {
		parse = directory.ParseCSV
	}
	d, err := parse(body)
	if err != nil {
		rest.Refuse(c, http.StatusBadRequest, "invalid_directory", err.Error())
		return
	}
	by, ok := a.by(c)
	if !ok {
		return
	}
	now, err := a.directory.Replace(c.Request.Context(), rest.Principal(c).Tenant, by, d)
	a.done(c, now, err, "the directory was replaced", func() any { return now.Document() })
}

func (a *API) putUser(c *gin.Context) {
	var u directory.User
	if !rest.Decode(c, &u, maxEntry, false, "name, role, teams") {
		return
	}
	if u.ID != "" && u.ID != c.Param("id") {
		rest.Refuse(c, http.StatusBadRequest, "invalid_directory", "the body's id is another one than the address's")
		return
	}
	by, ok := a.by(c)
	if !ok {
		return
	}
	u.ID = c.Param("id")
	now, err := a.directory.PutUser(c.Request.Context(), rest.Principal(c).Tenant, by, u)
	a.done(c, now, err, "a user was stored", func() any { stored, _ := now.User(u.ID); return stored })
}

func (a *API) putTeam(c *gin.Context) {
	var t directory.Team
	if !rest.Decode(c, &t, maxEntry, false, "name, members, managers") {
		return
	}
	if t.ID != "" && t.ID != c.Param("id") {
		rest.Refuse(c, http.StatusBadRequest, "invalid_directory", "the body's id is another one than the address's")
		return
	}
	by, ok := a.by(c)
	if !ok {
		return
	}
	t.ID = c.Param("id")
	now, err := a.directory.PutTeam(c.Request.Context(), rest.Principal(c).Tenant, by, t)
	a.done(c, now, err, "a team was stored", func() any { stored, _ := now.Team(t.ID); return stored })
}

func (a *API) deleteUser(c *gin.Context) {
	if by, ok := a.by(c); ok {
		now, err := a.directory.DeleteUser(c.Request.Context(), rest.Principal(c).Tenant, by, c.Param("id"))
		a.done(c, now, err, "a user was removed", nil)
	}
}

func (a *API) deleteTeam(c *gin.Context) {
	if by, ok := a.by(c); ok {
		now, err := a.directory.DeleteTeam(c.Request.Context(), rest.Principal(c).Tenant, by, c.Param("id"))
		a.done(c, now, err, "a team was removed", nil)
	}
}

// by reads whose change a request makes, and of which revision.
func (a *API) by(c *gin.Context) (directory.By, bool) {
	by := directory.By{Author: "API key " + rest.Principal(c).KeyID}
	match := c.GetHeader("If-Match")
	if match == "" || match == "*" {
		return by, true
	}
	base, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 64)
	if err != nil {
		rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", "If-Match is not an ETag of the directory")
		return by, false
	}
	by.Base = &base
	return by, true
}

// done answers a change. The log has what kind of change it was and never of whom.
func (a *API) done(c *gin.Context, now *directory.Snapshot, err error, what string, body func() any) {
	if err != nil {
		a.fail(c, err)
		return
	}
	p := rest.Principal(c)
	a.log.InfoContext(c.Request.Context(), what, "tenant", p.Tenant, "revision", now.Revision(), "by", p.KeyID)
	c.Header("ETag", rest.ETag(now.Revision()))
	if body == nil {
		c.Status(http.StatusNoContent)
		return
	}
	c.JSON(http.StatusOK, body())
}

func (a *API) fail(c *gin.Context, err error) {
	var invalid *directory.InvalidError
	switch {
	case errors.Is(err, directory.ErrNotFound):
		rest.Refuse(c, http.StatusNotFound, "not_found", err.Error())
	case errors.Is(err, directory.ErrChanged):
		rest.Refuse(c, http.StatusPreconditionFailed, "precondition_failed", err.Error())
	case errors.As(err, &invalid):
		rest.Refuse(c, http.StatusBadRequest, "invalid_directory", err.Error())
	default:
		rest.Unavailable(c, a.log, err)
	}
}
