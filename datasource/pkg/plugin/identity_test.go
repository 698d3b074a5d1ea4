package plugin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
)

// issuer signs identities as Grafana does: ES256, with a key that has an id.
type issuer struct {
	t       *testing.T
	private *ecdsa.PrivateKey
	id      string
}

func newIssuer(t *testing.T, id string) *issuer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &issuer{t, private, id}
}

func (i *issuer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: &i.private.PublicKey, KeyID: i.id, Algorithm: string(jose.ES256), Use: "sig"}
}

// token is that of ann in organization 1, but for what changes.
func (i *issuer) token(now time.Time, change func(*signed)) string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.private, KeyID: i.id}}, nil)
	require.NoError(i.t, err)
	claims := signed{
		Claims:   jwt.Claims{Issuer: "http://grafana/", Subject: "user:1", Audience: jwt.Audience{"org:1"}, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(10 * time.Minute))},
		Username: "ann", Email: "ann@example.com",
	}
	change(&claims)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(i.t, err)
	return text
}

// keyServer publishes keys as Grafana does.
type keyServer struct {
	*httptest.Server
	keys atomic.Pointer[jose.JSONWebKeySet]
	read atomic.Int32
}

func newKeyServer(t *testing.T, keys ...jose.JSONWebKey) *keyServer {
	t.Helper()
	s := &keyServer{}
	s.keys.Store(&jose.JSONWebKeySet{Keys: keys})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.read.Add(1)
		if keys := s.keys.Load(); keys != nil {
			_ = json.NewEncoder(w).Encode(keys)
			return
		}
		http.Error(w, "away", http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	return s
}

func callFor(user *backend.User) backend.PluginContext {
	return backend.PluginContext{OrgID: 1, User: user} //nolint:staticcheck // what it replaces is newer than the oldest Grafana, and tokens name organizations by number
}

func TestIdentityIsVerified(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	grafana, stranger := newIssuer(t, "one"), newIssuer(t, "one")
	server := newKeyServer(t, grafana.public())
	i := newIdentities(Settings{IdentityKeysURL: server.URL})
	i.now = func() time.Time { return now }
	ann := callFor(&backend.User{Login: "ann", Email: "ann@example.com"})
	check := func(token, by string, pc backend.PluginContext) error {
		ctx := context.WithValue(t.Context(), tokenKey{}, token)
		return i.check(ctx, pc, by)
	}
	same := func(*signed) {}
	require.NoError(t, check(grafana.token(now, same), userLogin, ann))
	require.NoError(t, check(grafana.token(now, same), userEmail, ann))
	require.NoError(t, check("", userLogin, callFor(nil)), "alert rules have no user")
	require.NoError(t, i.check(admitted(t.Context()), ann, userLogin), "a stream outlives the token of who began it")
	require.NoError(t, (*identities)(nil).check(t.Context(), ann, userLogin), "where no keys are set, none is wanted")

	header := func(alg jose.SignatureAlgorithm, key any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
		require.NoError(t, err)
		text, err := jwt.Signed(signer).Claims(signed{Username: "ann"}).Serialize()
		require.NoError(t, err)
		return text
	}
	for name, c := range map[string]struct{ token, by, says string }{
		"none":              {"", userLogin, "idForwarding"},
		"no token":          {"ann", userLogin, "cannot be read"},
		"another algorithm": {header(jose.HS256, []byte("0123456789abcdef0123456789abcdef")), userLogin, "cannot be read"},
		"another's key":     {stranger.token(now, same), userLogin, "not signed by one of its keys"},
		"another user":      {grafana.token(now, func(c *signed) { c.Username = "bob" }), userLogin, `"bob"`},
		"another address":   {grafana.token(now, func(c *signed) { c.Email = "bob@example.com" }), userEmail, `"bob@example.com"`},
		"no login":          {grafana.token(now, func(c *signed) { c.Username = "" }), userLogin, "names no login"},
		"no address":        {grafana.token(now, func(c *signed) { c.Email = "" }), userEmail, "names no email"},
		"another org":       {grafana.token(now, func(c *signed) { c.Audience = jwt.Audience{"org:2"} }), userLogin, "here and now"},
		"over":              {grafana.token(now.Add(-11*time.Minute), same), userLogin, "here and now"},
		"not yet":           {grafana.token(now.Add(time.Minute), same), userLogin, "here and now"},
		"for ever":          {grafana.token(now, func(c *signed) { c.Expiry = nil }), userLogin, "for ever"},
	} {
		err := check(c.token, c.by, ann)
		var denied *query.AccessError
		require.ErrorAs(t, err, &denied, name)
		require.ErrorContains(t, err, c.says, name)
	}
}

// Keys are read when a token has one that is not known, not for each, and what is known
// stays while Grafana does not answer.
func TestSigningKeysAreReadAgain(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first, second := newIssuer(t, "first"), newIssuer(t, "second")
	server := newKeyServer(t, first.public())
	i := newIdentities(Settings{IdentityKeysURL: server.URL})
	i.now = func() time.Time { return now }
	check := func(by *issuer) error {
		ctx := context.WithValue(t.Context(), tokenKey{}, by.token(now, func(*signed) {}))
		return i.check(ctx, callFor(&backend.User{Login: "ann"}), userLogin)
	}
	require.NoError(t, check(first))
	require.NoError(t, check(first))
	require.EqualValues(t, 1, server.read.Load())
	require.ErrorContains(t, check(second), "not signed by one of its keys")
	require.EqualValues(t, 1, server.read.Load(), "who makes up keys has them read once in a while only")
	server.keys.Store(&jose.JSONWebKeySet{Keys: []jose.JSONWebKey{second.public()}})
	now = now.Add(keysPause + time.Second)
	require.NoError(t, check(second))
	require.ErrorContains(t, check(first), "not signed by one of its keys", "Grafana has given it up")
	server.keys.Store(nil)
	now = now.Add(time.Hour)
	read := server.read.Load()
	require.NoError(t, check(second))
	require.NoError(t, check(second))
	require.Equal(t, read+1, server.read.Load(), "a Grafana that is away is not waited for by everybody")
	i = newIdentities(Settings{IdentityKeysURL: server.URL})
	i.now = func() time.Time { return now }
	var wrong *SettingsError
	require.ErrorAs(t, check(second), &wrong)
	require.Equal(t, "identityKeysUrl", wrong.Setting)
}

// Every way in wants the token.
func TestEveryCallWantsAnIdentity(t *testing.T) {
	store, period := newStore(t)
	grafana := newIssuer(t, "one")
	server := newKeyServer(t, grafana.public())
	settings, secrets := settingsOf(t, store.Client.Database(), map[string]any{"identityKeysUrl": server.URL + "/api/signing-keys/keys"})
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	instance := backend.DataSourceInstanceSettings{UID: "one", JSONData: text, DecryptedSecureJSONData: secrets, Updated: time.Now()}
	made, err := New(t.Context(), instance)
	require.NoError(t, err)
	ds, ok := made.(*Datasource)
	require.True(t, ok)
	t.Cleanup(ds.Dispose)
	pc := callFor(&backend.User{Login: "ann", Role: "Viewer"})
	pc.DataSourceInstanceSettings = &instance
	ctx := backend.WithPluginContext(t.Context(), pc)
	live := `{"query":{"queryType":"metrics","metrics":["executions"],"granularity":"minute"},"window":3600000,"interval":60000,"maxDataPoints":100}`
	calls := map[string]func(token string) bool{
		"query": func(token string) bool {
			req := &backend.QueryDataRequest{PluginContext: pc, Queries: []backend.DataQuery{{RefID: "A", JSON: []byte(`{"metrics":["executions"]}`), TimeRange: period, Interval: time.Hour}}}
			req.SetHTTPHeader(backend.GrafanaUserSignInTokenHeaderName, token)
			res, err := ds.QueryData(ctx, req)
			require.NoError(t, err)
			return res.Responses["A"].Error == nil
		},
		"health": func(token string) bool {
			req := &backend.CheckHealthRequest{PluginContext: pc}
			req.SetHTTPHeader(backend.GrafanaUserSignInTokenHeaderName, token)
			res, err := ds.CheckHealth(ctx, req)
			require.NoError(t, err)
			return res.Status == backend.HealthStatusOk
		},
		"subscribe": func(token string) bool {
			r, m, err := parseLive([]byte(live))
			require.NoError(t, err)
			path, err := ds.livePath(admitted(ctx), pc, r, m)
			require.NoError(t, err)
			req := &backend.SubscribeStreamRequest{PluginContext: pc, Path: path, Data: []byte(live)}
			req.SetHTTPHeader(backend.GrafanaUserSignInTokenHeaderName, token)
			res, err := ds.SubscribeStream(ctx, req)
			require.NoError(t, err)
			return res.Status == backend.SubscribeStreamStatusOK
		},
	}
	for _, resource := range []struct{ method, path, body string }{{"GET", "values?dimension=workflow", ""}, {"POST", "live", live}, {"GET", "prometheus/api/v1/query?query=1", ""}} {
		calls[resource.path] = func(token string) bool {
			path, _, _ := strings.Cut(resource.path, "?")
			req := &backend.CallResourceRequest{PluginContext: pc, Path: path, URL: resource.path, Method: resource.method, Body: []byte(resource.body), Headers: map[string][]string{"X-Grafana-Id": {token}}}
			status := 0
			require.NoError(t, ds.CallResource(ctx, req, backend.CallResourceResponseSenderFunc(func(r *backend.CallResourceResponse) error {
				status = r.Status
				return nil
			})))
			return status == http.StatusOK
		}
	}
	for name, call := range calls {
		require.True(t, call(grafana.token(time.Now(), func(*signed) {})), name)
		require.False(t, call(grafana.token(time.Now(), func(c *signed) { c.Username = "bob" })), name)
		require.False(t, call(""), name)
	}
}
