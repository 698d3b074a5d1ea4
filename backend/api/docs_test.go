package api

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// The page to try the API is all here, for anybody, and loads from nowhere else.
func TestDocs(t *testing.T) {
	a, err := New(Config{Analytics: &fake{}, Authenticator: roles{}})
	require.NoError(t, err)
	router := gin.New()
	require.NoError(t, a.RegisterDocs(router))
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, DocsRoot+path, nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, req)
		return rec
	}
	require.Equal(t, DocsRoot+"/", get("").Header().Get("Location"))
	for name, part := range map[string]string{
		"openapi.yaml": "operationId: getExecutions", "": "swagger-ui-bundle.js", "index.html": "<!doctype html>", "init.js": "SwaggerUIBundle(", "style.css": "@media", "swagger-ui-bundle.js": "SwaggerUIBundle", "swagger-ui.css": ".swagger-ui",
	} {
		plain := get("/" + name)
		require.Equal(t, http.StatusOK, plain.Code, name)
		require.Contains(t, plain.Body.String(), part)
		require.Contains(t, plain.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';")
		packed := get("/"+name, "Accept-Encoding", "gzip, br")
		require.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
		r, err := gzip.NewReader(packed.Body)
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain.Body.Bytes(), text), name)
		require.Equal(t, http.StatusNotModified, get("/"+name, "If-None-Match", plain.Header().Get("ETag")).Code)
	}
	// The page fills in what has to be given, and nothing else.
	shown, err := parse(get("/openapi.yaml").Body.Bytes())
	require.NoError(t, err)
	for name, o := range a.document.operations {
		require.Len(t, shown.operations[name].Parameters, len(o.Parameters), name)
		for _, p := range shown.operations[name].Parameters {
			require.Equal(t, p.Required && o.find(p.Name).Example != nil, p.Example != nil, "%s %s", name, p.Name)
		}
	}
	require.Equal(t, http.StatusNotFound, get("/../api.go").Code)
	require.Equal(t, http.StatusNotFound, get("/docs.go").Code)
}
