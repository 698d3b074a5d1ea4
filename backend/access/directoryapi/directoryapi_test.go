package directoryapi_test

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
	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/access/directoryapi"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/access/signin"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	enginetest.Main(m)
}

func TestDirectory(t *testing.T) {
	client := schematest.Client(t)
	keys := keystore.New(client, slog.New(slog.DiscardHandler))
	people := directory.NewStore(client, -1)
	auth := &signin.Authenticator{Keys: keys, Directory: people}
	router := gin.New()
	directoryapi.New(people, auth, slog.New(slog.DiscardHandler)).Register(router)
	issue := func(k keystore.Key) string {
		k.Tenant, k.Name = "acme", "k"
		secret, _, err := keys.Create(t.Context(), k)
		require.NoError(t, err)
		return secret
	}
	admin := issue(keystore.Key{Scopes: []access.Scope{access.ScopeAdmin}})
	mona := issue(keystore.Key{Scopes: []access.Scope{access.ScopeRead}, UserID: "mona"})
	call := func(key, method, path, body string, header ...string) (*httptest.ResponseRecorder, map[string]any) {
		t.Helper()
		r := httptest.NewRequest(method, directoryapi.Root+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+key)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		out := map[string]any{}
		if w.Body.Len() > 0 {
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out), w.Body.String())
		}
		return w, out
	}

	w, _ := call(mona, "GET", "", "")
	assert.Equal(t, http.StatusForbidden, w.Code, "the directory is for administrators")
	w, _ = call(admin, "PUT", "/teams/billing", `{"members":["ana"],"managers":["mona"]}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	w, user := call(admin, "PUT", "/users/ben", `{"name":"Ben","teams":["billing"]}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	assert.Equal(t, map[string]any{"id": "ben", "name": "Ben", "teams": []any{"billing"}}, user)
	_, team := call(admin, "GET", "/teams/billing", "")
	assert.Equal(t, map[string]any{"id": "billing", "members": []any{"ana", "ben"}, "managers": []any{"mona"}}, team)

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+mona)
	p, err := auth.Authenticate(r)
	require.NoError(t, err)
	assert.Equal(t, access.RoleManager, p.Role, "whoever manages a team is a manager where nothing else is said")
	assert.Equal(t, []string{"ana", "ben", "mona"}, p.TeamUserIDs)

	w, _ = call(admin, "GET", "", "")
	first := w.Header().Get("ETag")
	w, whole := call(admin, "PUT", "", "id,teams,manages\nzoe,day,day\n", "Content-Type", "text/csv", "If-Match", first)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	assert.Equal(t, []any{map[string]any{"id": "zoe", "teams": []any{"day"}}}, whole["users"])
	for _, c := range []struct {
		method, path, body, match string
		status                    int
	}{
		{"PUT", "", "users: []", first, http.StatusPreconditionFailed},
		{"PUT", "", "users: []", "yesterday", http.StatusBadRequest},
		{"PUT", "", "users: [{id: a, role: boss}]", "", http.StatusBadRequest},
		{"PUT", "/users/ana", `{"teams":["nowhere"]}`, "", http.StatusBadRequest},
		{"PUT", "/users/ana", `{"id":"ben"}`, "", http.StatusBadRequest},
		{"PUT", "/users/ana", `{"boss":true}`, "", http.StatusBadRequest},
		{"GET", "/users/ana", "", "", http.StatusNotFound},
		{"DELETE", "/teams/billing", "", "", http.StatusNotFound},
		{"DELETE", "/users/zoe", "", "", http.StatusNoContent},
	} {
		w, problem := call(admin, c.method, c.path, c.body, "If-Match", c.match)
		assert.Equal(t, c.status, w.Code, "%s %s %s: %v", c.method, c.path, c.body, problem)
	}
}
