package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/oidc"
)

// issuer is an identity provider with keys of its own.
type issuer struct {
	t     *testing.T
	url   string
	keys  atomic.Pointer[jose.JSONWebKeySet]
	reads atomic.Int64 // of keys
	away  atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t}
	i.keys.Store(&jose.JSONWebKeySet{})
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		if i.away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.reads.Add(1)
		_ = json.NewEncoder(w).Encode(i.keys.Load())
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

type key struct {
	id  string
	alg jose.SignatureAlgorithm
	crypto.Signer
}

func newSigner(t *testing.T, id string, alg jose.SignatureAlgorithm) key {
	var signer crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	require.NoError(t, err)
	return key{id, alg, signer}
}

// publish makes keys those of the issuer.
func (i *issuer) publish(keys ...key) {
	set := &jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: k.id, Algorithm: string(k.alg), Use: "sig"})
	}
	i.keys.Store(set)
}

func sign(t *testing.T, with any, id string, alg jose.SignatureAlgorithm, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: with}, (&jose.SignerOptions{}).WithHeader("kid", id))
	require.NoError(t, err)
	body, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := signer.Sign(body)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

func (i *issuer) claims(more map[string]any) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{"iss": i.url, "aud": "flowgauge", "sub": "s-1", "iat": now, "exp": now + 300, "email": "ana@example.com", "email_verified": true, "org": "acme"}
	maps.Copy(claims, more)
	for name, v := range claims {
		if v == nil {
			delete(claims, name)
		}
	}
	return claims
}

func (i *issuer) config() oidc.Config {
	return oidc.Config{
		Issuer: i.url, Audience: []string{"flowgauge", "flowgauge-web"}, Algorithms: []string{"RS256", "ES256", "EdDSA"}, Leeway: 30 * time.Second,
		UserClaim: "email", TenantClaim: "org", RoleClaim: "groups",
		Roles: map[string]access.Role{"fg-admins": access.RoleAdmin, "fg-leads": access.RoleManager, "fg": access.RoleViewer},
	}
}

func ask(a *oidc.Authenticator, token string) (access.Principal, error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return a.Authenticate(r)
}

func TestTokens(t *testing.T) {
	i := newIssuer(t)
	signers := []key{newSigner(t, "rsa", jose.RS256), newSigner(t, "ec", jose.ES256), newSigner(t, "ed", jose.EdDSA), newSigner(t, "big", jose.RS512)}
	i.publish(signers...)
	a, err := oidc.New(i.config())
	require.NoError(t, err)
	good := func(k key, claims map[string]any) string { return sign(t, k.Signer, k.id, k.alg, i.claims(claims)) }

	for _, k := range signers[:3] {
		p, err := ask(a, good(k, nil))
		require.NoError(t, err, k.alg)
		assert.Equal(t, access.Principal{Tenant: "acme", UserID: "ana@example.com", KeyID: "oidc:s-1", Scopes: []access.Scope{access.ScopeRead}}, p)
	}
	for _, c := range []struct {
		groups any
		role   access.Role
		scope  access.Scope
	}{
		{"fg", access.RoleViewer, access.ScopeRead},
		{[]string{"x", "fg", "fg-leads"}, access.RoleManager, access.ScopeRead},
		{[]string{"fg-admins", "fg"}, access.RoleAdmin, access.ScopeAdmin},
		{[]string{"strangers"}, "", access.ScopeRead},
		{[]any{7, nil}, "", access.ScopeRead},
	} {
		p, err := ask(a, good(signers[0], map[string]any{"groups": c.groups}))
		require.NoError(t, err)
		assert.Equal(t, c.role, p.Role, c.groups)
		assert.Equal(t, []access.Scope{c.scope}, p.Scopes)
	}

	now := time.Now().Unix()
	for name, token := range map[string]string{
		"another issuer":        good(signers[0], map[string]any{"iss": "https://evil.example.com"}),
		"another audience":      good(signers[0], map[string]any{"aud": []string{"grafana"}}),
		"no audience":           good(signers[0], map[string]any{"aud": nil}),
		"expired":               good(signers[0], map[string]any{"exp": now - 31}),
		"no expiry":             good(signers[0], map[string]any{"exp": nil}),
		"not yet":               good(signers[0], map[string]any{"nbf": now + 3600}),
		"no user":               good(signers[0], map[string]any{"email": nil}),
		"a user that is a list": good(signers[0], map[string]any{"email": []string{"ana"}}),
		"unverified":            good(signers[0], map[string]any{"email_verified": false}),
		"no tenant":             good(signers[0], map[string]any{"org": ""}),
		"algorithm not allowed": good(signers[3], nil),
		"another's key":         sign(t, newSigner(t, "rsa", jose.RS256).Signer, "rsa", jose.RS256, i.claims(nil)),
		"the public key as a secret": sign(t, func() []byte {
			b, _ := jose.JSONWebKey{Key: signers[0].Public()}.MarshalJSON()
			return b
		}(), "rsa", jose.HS256, i.claims(nil)),
		"unsigned": "eyJhbGciOiJub25lIn0.e30.",
		"garbage":  "a.b.c",
	} {
		_, err := ask(a, token)
		require.ErrorIs(t, err, access.ErrDenied, name)
		assert.NotContains(t, err.Error(), token, name)
	}
	_, err = ask(a, good(signers[0], map[string]any{"exp": now - 31}))
	require.ErrorIs(t, err, oidc.ErrExpired)
	_, err = ask(a, good(signers[0], map[string]any{"exp": now - 5}))
	require.NoError(t, err, "clocks may differ")
}

// A key that the issuer has made since is found; keys that nobody has do not let
// callers drive the issuer.
func TestKeysChange(t *testing.T) {
	i := newIssuer(t)
	first, second := newSigner(t, "1", jose.ES256), newSigner(t, "2", jose.ES256)
	i.publish(first)
	a, err := oidc.New(i.config())
	require.NoError(t, err)
	for range 3 {
		_, err = ask(a, sign(t, first.Signer, "1", jose.ES256, i.claims(nil)))
		require.NoError(t, err)
	}
	assert.EqualValues(t, 1, i.reads.Load(), "keys are kept")
	i.publish(second)
	_, err = ask(a, sign(t, second.Signer, "2", jose.ES256, i.claims(nil)))
	require.NoError(t, err)
	_, err = ask(a, sign(t, first.Signer, "1", jose.ES256, i.claims(nil)))
	require.ErrorIs(t, err, access.ErrDenied, "the old key is gone")
	for range 50 {
		_, err = ask(a, sign(t, second.Signer, "made-up", jose.ES256, i.claims(nil)))
		require.Error(t, err)
	}
	assert.LessOrEqual(t, i.reads.Load(), int64(6))
	_, err = ask(a, sign(t, second.Signer, "2", jose.ES256, i.claims(nil)))
	require.NoError(t, err, "keys that are known need no reading")
}

// A provider that is away is not the caller's fault, and is not asked again at once.
func TestTheIssuerIsAway(t *testing.T) {
	i := newIssuer(t)
	k := newSigner(t, "1", jose.ES256)
	i.publish(k)
	i.away.Store(true)
	cfg, now := i.config(), time.Now()
	cfg.Now = func() time.Time { return now }
	a, err := oidc.New(cfg)
	require.NoError(t, err)
	for range 10 {
		_, err := ask(a, sign(t, k.Signer, "1", jose.ES256, i.claims(nil)))
		require.ErrorIs(t, err, oidc.ErrUnavailable)
		require.NotErrorIs(t, err, access.ErrDenied)
	}
	i.away.Store(false)
	now = now.Add(6 * time.Second)
	_, err = ask(a, sign(t, k.Signer, "1", jose.ES256, i.claims(nil)))
	require.NoError(t, err)
}
