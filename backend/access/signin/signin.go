// Package signin says who sends a request: an API key, a client certificate that
// stands for one, or a token of an identity provider; and completes what the
// directory knows of them.
package signin

import (
	"context"
	"net/http"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
)

// Method recognises who sends a request by one means.
type Method interface {
	Authenticate(r *http.Request) (access.Principal, error)
}

// Directory completes a principal with what it knows of the user.
type Directory interface {
	Complete(ctx context.Context, p access.Principal) (access.Principal, error)
}

// Authenticator tries the means that a request shows.
type Authenticator struct {
	Keys      Method
	Tokens    Method // nil: no identity provider
	Directory Directory
}

// Authenticate returns who sends a request.
func (a *Authenticator) Authenticate(r *http.Request) (access.Principal, error) {
	method := a.Keys
	if a.Tokens != nil && hasToken(r) {
		method = a.Tokens
	}
	p, err := method.Authenticate(r)
	if err != nil || p.UserID == "" {
		return p, err
	}
	return a.Directory.Complete(r.Context(), p)
}

// hasToken reports whether a request carries a bearer that is no API key.
func hasToken(r *http.Request) bool {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		return false
	}
	_, isKey := keystore.ID(bearer)
	return !isKey && strings.Count(bearer, ".") == 2
}
