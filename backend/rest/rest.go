// Package rest is what REST endpoints outside the analytics share: who is let in,
// and problem documents.
package rest

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
)

// Authenticator says who sends a request; keystore.Store is one.
type Authenticator interface {
	Authenticate(r *http.Request) (access.Principal, error)
}

const principalKey = "flowgauge.rest.principal"

// Admit lets requests through whose key has a scope. Answers are about one tenant
// and are kept by nobody on the way.
func Admit(auth Authenticator, log *slog.Logger, scope access.Scope) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Cache-Control", "no-store")
		p, err := auth.Authenticate(c.Request)
		switch {
		case keystore.Denied(err):
			c.Header("WWW-Authenticate", `Bearer realm="flowgauge"`)
			Refuse(c, http.StatusUnauthorized, "unauthenticated", err.Error())
		case err != nil:
			Unavailable(c, log, err)
		case !p.Allows(scope):
			Refuse(c, http.StatusForbidden, "forbidden", "the key needs the scope "+string(scope))
		default:
			c.Set(principalKey, p)
		}
	}
}

// Principal is who sends a request that Admit has let through.
func Principal(c *gin.Context) access.Principal {
	p, _ := c.MustGet(principalKey).(access.Principal)
	return p
}

// Refuse answers with a problem document (RFC 9457).
func Refuse(c *gin.Context, status int, code, detail string) {
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(status, gin.H{
		"type": "urn:flowgauge:problem:" + code, "title": http.StatusText(status), "status": status, "code": code, "detail": detail,
	})
}

// Decode reads a body of one JSON object with no members but those that are named, and
// answers where it cannot. What is wrong is said without quoting it: a caller may have
// pasted a key into the wrong place. No body at all is an empty object where it is optional.
func Decode(c *gin.Context, into any, most int64, optional bool, members string) bool {
	d := json.NewDecoder(http.MaxBytesReader(c.Writer, c.Request.Body, most))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, rest := d.Token(); errors.Is(rest, io.EOF) {
			return true
		}
	} else if optional && errors.Is(err, io.EOF) {
		return true
	}
	detail := "the body must be one JSON object; its members are " + members
	if err != nil && strings.HasPrefix(err.Error(), "json: unknown field") {
		detail = "the body has a member that is not known; known are " + members
	}
	Refuse(c, http.StatusBadRequest, "malformed_json", detail)
	return false
}

// ETag is the entity tag of a revision.
func ETag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

// Unavailable answers that the database is away, and logs why: the error may quote
// a statement, which is nothing for the caller.
func Unavailable(c *gin.Context, log *slog.Logger, err error) {
	log.ErrorContext(c.Request.Context(), "request failed", "method", c.Request.Method, "path", c.FullPath(), "error", err)
	c.Header("Retry-After", "5")
	Refuse(c, http.StatusServiceUnavailable, "unavailable", "the database does not answer: try again later")
}
