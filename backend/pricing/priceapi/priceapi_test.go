package priceapi

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/pricing"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

type keys struct{}

func (keys) Authenticate(r *http.Request) (access.Principal, error) {
	switch tenant, scope, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "/"); tenant {
	case "":
		return access.Principal{}, keystore.ErrMissing
	case "broken":
		return access.Principal{}, errors.New("the store is away")
	default:
		return access.Principal{Tenant: tenant, KeyID: "k1", Scopes: []access.Scope{access.Scope(scope)}}, nil
	}
}

func TestEndpoints(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	log := slog.New(slog.DiscardHandler)
	router := gin.New()
	New(pricing.NewStore(schematest.Client(t), log), keys{}, log).Register(router)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	call := func(key, method, path, match, body string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+Root+path, strings.NewReader(body))
		require.NoError(t, err)
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		if match != "" {
			req.Header.Set("If-Match", match)
		}
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode, string(text), res.Header
	}
	const book = "rules: [{name: a, perEvent: '1'}]"
	for _, c := range []struct {
		key, method, body string
		status            int
		code              string
	}{
		{"", http.MethodGet, "", 401, "unauthenticated"},
		{"broken", http.MethodGet, "", 503, "unavailable"},
		{"acme/ingest", http.MethodGet, "", 403, "forbidden"},
		{"acme/admin", http.MethodGet, "", 404, "not_found"},
		{"acme/admin", http.MethodPut, "rules: [{name: a}]", 400, "has no price"},
		{"acme/admin", http.MethodPut, strings.Repeat(" ", pricing.MaxBytes+1), 413, "body_too_large"},
	} {
		status, text, header := call(c.key, c.method, "", "", c.body)
		require.Equal(t, c.status, status, text)
		require.Contains(t, text, c.code)
		require.Equal(t, "application/problem+json", header.Get("Content-Type"))
	}
	status, _, header := call("acme/admin", http.MethodPut, "", "", book)
	require.Equal(t, 200, status)
	first := header.Get("ETag")
	status, text, _ := call("acme/admin", http.MethodPut, "", "", book)
	require.Equal(t, 428, status, text)
	status, text, _ = call("acme/admin", http.MethodPut, "", first, `{"rules":[]}`)
	require.Equal(t, 200, status, text)
	status, text, _ = call("acme/admin", http.MethodPut, "", first, book)
	require.Equal(t, 412, status, text)
	status, text, _ = call("acme/admin", http.MethodPut, "", "x", book)
	require.Equal(t, 400, status, text)
	status, text, _ = call("acme/admin", http.MethodPut, "", "*", book)
	require.Equal(t, 200, status, text)
	status, text, _ = call("acme/admin", http.MethodGet, "/revisions", "", "")
	require.Equal(t, 200, status)
	require.Equal(t, 3, strings.Count(text, `"author":"API key k1"`))
	status, text, _ = call("zeta/admin", http.MethodGet, "/revisions", "", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"revisions":[]}`, text, "another tenant's")
}
