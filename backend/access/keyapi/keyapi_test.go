package keyapi_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keyapi"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	enginetest.Main(m)
}

// platform serves the endpoints with an administrator of acme, one of other, and
// one of both.
type platform struct {
	t      *testing.T
	store  *keystore.Store
	router *gin.Engine
	log    strings.Builder
	acme   string
	other  string
	both   string
	reader string
}

func newPlatform(t *testing.T) *platform {
	p := &platform{t: t, router: gin.New()}
	log := slog.New(slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p.store = keystore.New(schematest.Client(t), log)
	keyapi.New(p.store, p.store, log).Register(p.router)
	issue := func(tenant string, cross bool, scope access.Scope) string {
		secret, _, err := p.store.Create(t.Context(), keystore.Key{Tenant: tenant, Name: "k", Scopes: []access.Scope{scope}, CrossTenant: cross})
		require.NoError(t, err)
		return secret
	}
	p.acme, p.other = issue("acme", false, access.ScopeAdmin), issue("other", false, access.ScopeAdmin)
	p.both, p.reader = issue("platform", true, access.ScopeAdmin), issue("acme", false, access.ScopeRead)
	return p
}

func (p *platform) call(key, method, path, body string) (int, map[string]any) {
	p.t.Helper()
	r := httptest.NewRequest(method, keyapi.Root+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	p.router.ServeHTTP(w, r)
	assert.Equal(p.t, "no-store", w.Header().Get("Cache-Control"))
	if w.Code >= http.StatusBadRequest {
		assert.Equal(p.t, "application/problem+json", w.Header().Get("Content-Type"))
	}
	var out map[string]any
	if w.Body.Len() > 0 {
		require.NoError(p.t, json.Unmarshal(w.Body.Bytes(), &out), w.Body.String())
	}
	return w.Code, out
}

func TestAKeysLife(t *testing.T) {
	p := newPlatform(t)
	status, made := p.call(p.acme, "POST", "", `{"name":"ci","scopes":["ingest"],"expiresAt":"2199-01-01T00:00:00Z","limits":{"eventsPerSecond":100}}`)
	require.Equal(t, http.StatusCreated, status, made)
	secret, id := made["secret"].(string), made["id"].(string)
	assert.Equal(t, "acme", made["tenant"])
	assert.Equal(t, "active", made["state"])
	assert.Equal(t, map[string]any{"eventsPerSecond": 100.0}, made["limits"])

	status, list := p.call(p.acme, "GET", "", "")
	require.Equal(t, http.StatusOK, status)
	assert.Len(t, list["keys"], 3)
	text, err := json.Marshal(list)
	require.NoError(t, err)
	assert.NotContains(t, string(text), secret)
	assert.NotContains(t, strings.ToLower(string(text)), "hash")

	status, rotated := p.call(p.acme, "POST", "/"+id+"/rotate", `{"grace":"1h"}`)
	require.Equal(t, http.StatusOK, status, rotated)
	assert.NotEqual(t, secret, rotated["secret"])
	assert.Equal(t, "rotating", rotated["state"])
	assert.NotEmpty(t, rotated["previousSecretUntil"])
	status, again := p.call(p.acme, "POST", "/"+id+"/rotate", "")
	require.Equal(t, http.StatusOK, status, again)

	status, _ = p.call(p.acme, "DELETE", "/"+id, "")
	require.Equal(t, http.StatusNoContent, status)
	status, shown := p.call(p.acme, "GET", "/"+id, "")
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "revoked", shown["state"])
	status, problem := p.call(p.acme, "POST", "/"+id+"/rotate", "")
	require.Equal(t, http.StatusConflict, status)
	assert.Equal(t, "revoked", problem["code"])
	status, _ = p.call(again["secret"].(string), "GET", "", "")
	require.Equal(t, http.StatusUnauthorized, status)

	log := p.log.String()
	assert.Contains(t, log, "key_id="+id)
	for _, s := range []string{secret, rotated["secret"].(string), again["secret"].(string), p.acme} {
		assert.NotContains(t, log, s[len(s)-43:])
	}
}

func TestTenantsAreApart(t *testing.T) {
	p := newPlatform(t)
	_, made := p.call(p.acme, "POST", "", `{"name":"ci","scopes":["ingest"]}`)
	id := made["id"].(string)
	for _, c := range []struct{ method, path string }{{"GET", "/" + id}, {"DELETE", "/" + id}, {"POST", "/" + id + "/rotate"}, {"GET", "/nothing"}} {
		status, problem := p.call(p.other, c.method, c.path, "")
		require.Equal(t, http.StatusNotFound, status, c)
		assert.Equal(t, "there is no such key", problem["detail"], "another's key is as absent as none")
	}
	for _, body := range []string{
		`{"name":"x","scopes":["ingest"],"tenant":"other"}`,
		`{"name":"x","scopes":["ingest"],"crossTenant":true}`,
		`{"name":"x","scopes":["ingest"],"certificate":"cn:x"}`,
	} {
		status, problem := p.call(p.acme, "POST", "", body)
		require.Equal(t, http.StatusForbidden, status, body)
		assert.Equal(t, "tenant_mismatch", problem["code"])
		status, made := p.call(p.both, "POST", "", body)
		require.Equal(t, http.StatusCreated, status, made)
	}
	status, _ := p.call(p.acme, "GET", "?tenant=other", "")
	require.Equal(t, http.StatusForbidden, status)
	status, list := p.call(p.both, "GET", "?tenant=other", "")
	require.Equal(t, http.StatusOK, status)
	assert.Len(t, list["keys"], 2)
	status, _ = p.call(p.both, "GET", "/"+id, "")
	require.Equal(t, http.StatusOK, status)
}

// A new secret of a cross-tenant key, or of one that a certificate presents, would
// make its tenant's administrator one of all tenants.
func TestKeysOfMoreThanATenantAreNotChangedByItsAdministrator(t *testing.T) {
	p := newPlatform(t)
	for _, body := range []string{
		`{"name":"x","scopes":["ingest"],"tenant":"acme","crossTenant":true}`,
		`{"name":"x","scopes":["ingest"],"tenant":"acme","certificate":"cn:x"}`,
	} {
		status, made := p.call(p.both, "POST", "", body)
		require.Equal(t, http.StatusCreated, status, made)
		id := made["id"].(string)
		for _, c := range []struct{ method, path string }{{"POST", "/" + id + "/rotate"}, {"DELETE", "/" + id}} {
			status, problem := p.call(p.acme, c.method, c.path, "")
			require.Equal(t, http.StatusForbidden, status, c)
			assert.Equal(t, "tenant_mismatch", problem["code"])
			assert.NotContains(t, problem, "secret")
		}
		status, _ = p.call(p.acme, "GET", "/"+id, "")
		require.Equal(t, http.StatusOK, status)
		status, _ = p.call(p.both, "DELETE", "/"+id, "")
		require.Equal(t, http.StatusNoContent, status)
	}
}

func TestRefusals(t *testing.T) {
	p := newPlatform(t)
	status, problem := p.call(p.reader, "GET", "", "")
	require.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, "forbidden", problem["code"])
	status, _ = p.call("fg_x_y", "GET", "", "")
	require.Equal(t, http.StatusUnauthorized, status)
	for _, body := range []string{"", "{}", "[]", "{", `{"name":1}`, `{"` + p.acme + `":1}`, `{} {}`, `{"name":"x","scopes":["root"]}`} {
		status, problem := p.call(p.acme, "POST", "", body)
		require.Equal(t, http.StatusBadRequest, status, body)
		assert.NotContains(t, problem["detail"], p.acme, "what was sent is not quoted")
	}
	_, list := p.call(p.acme, "GET", "", "")
	id := list["keys"].([]any)[0].(map[string]any)["id"].(string)
	for _, grace := range []string{"soon", "-1h", "10000h"} {
		status, _ := p.call(p.acme, "POST", "/"+id+"/rotate", `{"grace":"`+grace+`"}`)
		require.Equal(t, http.StatusBadRequest, status, grace)
	}
}
