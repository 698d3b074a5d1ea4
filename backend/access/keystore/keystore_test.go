package keystore_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func request(key string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return r
}

func TestAuthenticate(t *testing.T) {
	client := schematest.Client(t)
	store := keystore.New(client, slog.New(slog.DiscardHandler))
	secret, key, err := keystore.Generate("acme", "ci", access.ScopeIngest)
	require.NoError(t, err)

	_, err = store.Authenticate(request(secret))
	require.ErrorIs(t, err, keystore.ErrNotLoaded)
	assert.False(t, keystore.Denied(err), "that is not the caller's fault")

	require.NoError(t, store.Put(t.Context(), key))
	p, err := store.Authenticate(request(secret))
	require.NoError(t, err)
	assert.Equal(t, "acme", p.Tenant)
	assert.Equal(t, key.ID, p.KeyID)
	assert.True(t, p.Allows(access.ScopeIngest))
	assert.False(t, p.Allows(access.ScopeRead))

	for name, c := range map[string]struct {
		key  string
		want error
	}{
		"none":         {"", keystore.ErrMissing},
		"other scheme": {" ", keystore.ErrUnknown},
		"cut":          {secret[:len(secret)-1], keystore.ErrUnknown},
		"other secret": {"fg_" + key.ID + "_AAAA", keystore.ErrUnknown},
		"other id":     {"fg_000000000000_" + secret[len("fg_000000000000_"):], keystore.ErrUnknown},
		"no key":       {"password", keystore.ErrUnknown},
	} {
		_, err := store.Authenticate(request(c.key))
		require.ErrorIs(t, err, c.want, name)
		assert.True(t, keystore.Denied(err), name)
		assert.NotContains(t, err.Error(), secret[len(secret)-10:], "a key never reaches an error")
	}

	key.ExpiresAt = time.Now().Add(-time.Second)
	require.NoError(t, store.Put(t.Context(), key))
	_, err = store.Authenticate(request(secret))
	require.ErrorIs(t, err, keystore.ErrExpired)

	key.ExpiresAt, key.RevokedAt = time.Time{}, time.Now()
	require.NoError(t, store.Put(t.Context(), key))
	_, err = store.Authenticate(request(secret))
	require.ErrorIs(t, err, keystore.ErrRevoked)
}

// Another process that starts sees the keys; one whose database goes away keeps
// those it has.
func TestKeysSurvive(t *testing.T) {
	first := schematest.Client(t)
	store := keystore.New(first, slog.New(slog.DiscardHandler))
	secret, key, err := keystore.Generate("acme", "ci", access.ScopeAdmin)
	require.NoError(t, err)
	require.NoError(t, store.Put(t.Context(), key))

	cache := filepath.Join(t.TempDir(), "keys.json")
	again := keystore.New(first, slog.New(slog.DiscardHandler))
	require.NoError(t, again.UseCache(cache))
	require.NoError(t, again.Refresh(t.Context()))
	_, err = again.Authenticate(request(secret))
	require.NoError(t, err)
	kept, ok := again.Get(key.ID)
	require.True(t, ok)
	assert.Equal(t, key.Hash, kept.Hash)
	assert.Equal(t, "ci", kept.Name)
	assert.NotContains(t, string(kept.Hash[:]), secret)

	first.Close()
	require.Error(t, again.Refresh(t.Context()))
	_, err = again.Authenticate(request(secret))
	require.NoError(t, err)

	started := keystore.New(first, slog.New(slog.DiscardHandler))
	require.NoError(t, started.UseCache(cache))
	_, err = started.Authenticate(request(secret))
	require.NoError(t, err, "started while the database is away")
	text, err := os.ReadFile(cache)
	require.NoError(t, err)
	assert.NotContains(t, string(text), secret)
	info, err := os.Stat(cache)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestGenerate(t *testing.T) {
	one, a, err := keystore.Generate("acme", "a")
	require.NoError(t, err)
	two, b, err := keystore.Generate("acme", "a")
	require.NoError(t, err)
	assert.NotEqual(t, one, two)
	assert.NotEqual(t, a.ID, b.ID)
	id, ok := keystore.ID(one)
	assert.True(t, ok)
	assert.Equal(t, a.ID, id)
	_, _, err = keystore.Generate("", "a")
	require.ErrorContains(t, err, "tenant")
}
