// Package oidc recognises people by tokens of an identity provider (OpenID Connect):
// JSON Web Tokens whose signature, issuer, audience and times are checked, and whose
// claims say the tenant, the user and the role.
//
// The provider's keys are read when they are needed first and again when a token
// names one that is not known, so that a provider may change them. A token that is
// made up names unknown keys too; how often they are read is therefore limited.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Config says whose tokens are accepted and what their claims mean.
type Config struct {
	Issuer     string
	Audience   []string
	Algorithms []string
	Leeway     time.Duration // by which clocks may differ

	UserClaim   string
	TenantClaim string // empty: everybody is of Tenant
	Tenant      string
	RoleClaim   string // empty: the directory has roles
	Roles       map[string]access.Role

	HTTP *http.Client     // nil is one with a timeout
	Now  func() time.Time // nil is time.Now
}

// The reasons why a token is not accepted. They never contain the token.
var (
	ErrExpired = fmt.Errorf("%w: the token has expired: sign in again", access.ErrDenied)
	// ErrUnavailable passes when the provider answers.
	ErrUnavailable = errors.New("the identity provider does not answer")
)

const (
	timeout = 10 * time.Second
	// retryAfter is how long a provider that did not answer is left alone.
	retryAfter = 5 * time.Second
	// keyReads are allowed at once, and one more for each keyPause.
	keyReads = 5
	keyPause = 10 * time.Second
)

// Authenticator checks tokens.
type Authenticator struct {
	cfg    Config
	client *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier // nil until the provider was found
	failed   time.Time
}

// New returns an authenticator; the provider is looked for when the first token comes.
func New(cfg Config) (*Authenticator, error) {
	switch {
	case cfg.Issuer == "" || cfg.UserClaim == "":
		return nil, errors.New("oidc: the issuer and the user's claim are needed")
	case len(cfg.Audience) == 0:
		return nil, errors.New("oidc: an audience is needed")
	case len(cfg.Algorithms) == 0:
		return nil, errors.New("oidc: algorithms are needed")
	case cfg.TenantClaim == "" && cfg.Tenant == "":
		return nil, errors.New("oidc: a tenant or a claim with it is needed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	client := cfg.HTTP
	if client == nil {
		client = &http.Client{}
	}
	limited := *client
	limited.Timeout = timeout
	limited.Transport = newThrottle(client.Transport)
	return &Authenticator{cfg: cfg, client: &limited}, nil
}

// Authenticate returns who sends a request by the token in its header.
func (a *Authenticator) Authenticate(r *http.Request) (access.Principal, error) {
	_, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	verifier, err := a.find(r.Context())
	if err != nil {
		return access.Principal{}, err
	}
	// Reading keys outlives a caller who has gone: others wait for them too.
	ctx := oidc.ClientContext(context.WithoutCancel(r.Context()), a.client)
	token, err := verifier.Verify(ctx, strings.TrimSpace(raw))
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return access.Principal{}, ErrExpired
	case err != nil:
		return access.Principal{}, fmt.Errorf("%w: the token is not accepted: its signature, issuer or times are not what they must be", access.ErrDenied)
	case !slices.ContainsFunc(token.Audience, func(aud string) bool { return slices.Contains(a.cfg.Audience, aud) }):
		return access.Principal{}, fmt.Errorf("%w: the token is not for Flowgauge: its audience must be one of %s", access.ErrDenied, strings.Join(a.cfg.Audience, ", "))
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return access.Principal{}, fmt.Errorf("%w: the token's claims are no JSON object", access.ErrDenied)
	}
	return a.principal(token.Subject, claims)
}

// find returns what checks tokens, and looks for the provider if nobody has yet.
func (a *Authenticator) find(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.verifier != nil {
		return a.verifier, nil
	}
	if now := a.cfg.Now(); now.Sub(a.failed) < retryAfter {
		return nil, ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, a.client), a.cfg.Issuer)
	if err != nil {
		a.failed = a.cfg.Now()
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a.verifier = provider.VerifierContext(oidc.ClientContext(context.Background(), a.client), &oidc.Config{
		SkipClientIDCheck:    true, // there may be several audiences
		SupportedSigningAlgs: a.cfg.Algorithms,
		Now:                  func() time.Time { return a.cfg.Now().Add(-a.cfg.Leeway) },
	})
	return a.verifier, nil
}
