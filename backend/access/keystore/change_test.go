package keystore_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
)

func newKey(name string) keystore.Key {
	return keystore.Key{Tenant: "acme", Name: name, Scopes: []access.Scope{access.ScopeIngest}}
}

// What one process changes is in force in another after its next refresh.
func TestChangesReachOthers(t *testing.T) {
	client := schematest.Client(t)
	admin, collector := keystore.New(client, slog.New(slog.DiscardHandler)), keystore.New(client, slog.New(slog.DiscardHandler))
	want := newKey("ci")
	want.CrossTenant, want.ExpiresAt = true, time.Now().Add(3*time.Hour).UTC().Truncate(time.Millisecond)
	want.Limits = access.Limits{EventsPerSecond: new(500.5), RequestsPerSecond: new(0.0)}
	secret, made, err := admin.Create(t.Context(), want)
	require.NoError(t, err)
	in := func(secret string) error {
		require.NoError(t, collector.Refresh(t.Context()))
		_, err := collector.Authenticate(request(secret))
		return err
	}
	require.NoError(t, in(secret))
	p, err := collector.Authenticate(request(secret))
	require.NoError(t, err)
	assert.True(t, p.CrossTenant)
	read, ok := collector.Get(made.ID)
	require.True(t, ok)
	assert.Equal(t, want.Limits, read.Limits, "nil is the configuration's, zero is none")
	assert.Equal(t, want.ExpiresAt, read.ExpiresAt)
	assert.Equal(t, want.Limits, collector.Limits(made.ID))

	second, made, err := admin.Rotate(t.Context(), made.ID, time.Hour)
	require.NoError(t, err)
	require.NoError(t, in(secret), "the old secret stays good for the grace")
	require.NoError(t, in(second))
	assert.Equal(t, keystore.StateRotating, made.State(time.Now()))
	assert.Equal(t, keystore.StateActive, made.State(time.Now().Add(2*time.Hour)))

	third, made, err := admin.Rotate(t.Context(), made.ID, 0)
	require.NoError(t, err)
	require.ErrorIs(t, in(secret), keystore.ErrUnknown)
	require.ErrorIs(t, in(second), keystore.ErrUnknown, "without a grace it ends at once")
	require.NoError(t, in(third))

	_, err = admin.Expire(t.Context(), made.ID, time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.ErrorIs(t, in(third), keystore.ErrExpired)
	_, _, err = admin.Rotate(t.Context(), made.ID, 0)
	require.ErrorContains(t, err, "expired")
	_, err = admin.Expire(t.Context(), made.ID, time.Time{})
	require.NoError(t, err)
	require.NoError(t, in(third))

	stale, ok := collector.Get(made.ID)
	require.True(t, ok)
	_, err = admin.Revoke(t.Context(), made.ID)
	require.NoError(t, err)
	require.ErrorIs(t, in(third), keystore.ErrRevoked)
	require.NoError(t, collector.Put(t.Context(), stale)) // it had read the key before
	require.ErrorIs(t, in(third), keystore.ErrRevoked, "nothing brings a revoked key back")
	_, err = admin.Expire(t.Context(), made.ID, time.Time{})
	require.ErrorIs(t, err, keystore.ErrGone)
	_, err = admin.Revoke(t.Context(), made.ID)
	require.NoError(t, err, "again")
	_, err = admin.Revoke(t.Context(), "000000000000")
	require.ErrorIs(t, err, keystore.ErrNotFound)
}

func TestUsesAreNoted(t *testing.T) {
	client := schematest.Client(t)
	admin, collector := keystore.New(client, slog.New(slog.DiscardHandler)), keystore.New(client, slog.New(slog.DiscardHandler))
	secret, used, err := admin.Create(t.Context(), newKey("used"))
	require.NoError(t, err)
	_, unused, err := admin.Create(t.Context(), newKey("unused"))
	require.NoError(t, err)
	require.NoError(t, collector.NoteUses(t.Context()), "nothing to note")
	require.NoError(t, collector.Refresh(t.Context()))
	before := time.Now().Truncate(time.Second)
	_, err = collector.Authenticate(request(secret))
	require.NoError(t, err)
	_, err = collector.Authenticate(request("fg_" + unused.ID + "_wrong"))
	require.ErrorIs(t, err, keystore.ErrUnknown)
	require.NoError(t, collector.Refresh(t.Context()), "a refresh forgets no use")
	require.NoError(t, collector.NoteUses(t.Context()))

	uses, err := admin.LastUses(t.Context())
	require.NoError(t, err)
	require.Contains(t, uses, used.ID)
	assert.False(t, uses[used.ID].Before(before))
	assert.NotContains(t, uses, unused.ID, "a wrong secret is no use")
}

func TestListAndValidate(t *testing.T) {
	store := keystore.New(schematest.Client(t), slog.New(slog.DiscardHandler))
	assert.Empty(t, store.List(""))
	for _, tenant := range []string{"b", "a", "b"} {
		k := newKey("k")
		k.Tenant = tenant
		_, _, err := store.Create(t.Context(), k)
		require.NoError(t, err)
	}
	assert.Len(t, store.List(""), 3)
	assert.Len(t, store.List("b"), 2)
	assert.Equal(t, "a", store.List("")[0].Tenant)

	for field, spoil := range map[string]func(*keystore.Key){
		"tenant":          func(k *keystore.Key) { k.Tenant = "" },
		"name":            func(k *keystore.Key) { k.Name = " " },
		"scopes":          func(k *keystore.Key) { k.Scopes = nil },
		"expires":         func(k *keystore.Key) { k.ExpiresAt = time.Now().Add(-time.Hour) },
		"certificate":     func(k *keystore.Key) { k.Certificate = "spki:abc" },
		"eventsPerSecond": func(k *keystore.Key) { k.Limits.EventsPerSecond = new(-1.0) },
	} {
		k := newKey("k")
		spoil(&k)
		_, _, err := store.Create(t.Context(), k)
		var invalid *keystore.InvalidError
		require.ErrorAs(t, err, &invalid, field)
		assert.Equal(t, field, invalid.Field)
	}
	k := newKey("k")
	k.Scopes = []access.Scope{"root"}
	_, _, err := store.Create(t.Context(), k)
	require.ErrorContains(t, err, `"root" is none`)
}

// A certificate that the listener has verified stands for the key that names it;
// one that it has not verified stands for nothing.
func TestCertificates(t *testing.T) {
	store := keystore.New(schematest.Client(t), slog.New(slog.DiscardHandler))
	cert := &x509.Certificate{
		RawSubjectPublicKeyInfo: []byte("key"), DNSNames: []string{"sender.example"}, URIs: []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/sender"}},
		Subject: pkix.Name{CommonName: "sender"},
	}
	ask := func(state *tls.ConnectionState) (access.Principal, error) {
		r := request("")
		r.TLS = state
		return store.Authenticate(r)
	}
	verified := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
	_, err := ask(verified)
	require.ErrorIs(t, err, keystore.ErrNotLoaded)
	require.NoError(t, store.Refresh(t.Context()))
	_, err = ask(verified)
	require.ErrorIs(t, err, keystore.ErrCertificate)
	assert.True(t, keystore.Denied(err))

	ids := map[string]string{}
	for _, name := range []string{"cn:sender", "san:sender.example", "san:spiffe://example/sender", "spki:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"} {
		k := newKey(name)
		k.Certificate = name
		_, made, err := store.Create(t.Context(), k)
		require.NoError(t, err)
		ids[name] = made.ID
		p, err := ask(verified)
		require.NoError(t, err)
		assert.Equal(t, made.ID, p.KeyID, "the more exact name wins: %s", name)
		_, _, err = store.Create(t.Context(), k)
		require.ErrorContains(t, err, made.ID, "one key a certificate")
	}
	_, err = ask(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}})
	require.ErrorIs(t, err, keystore.ErrMissing, "not verified")

	for _, id := range ids {
		_, err = store.Revoke(t.Context(), id)
		require.NoError(t, err)
	}
	_, err = ask(verified)
	require.ErrorIs(t, err, keystore.ErrCertificate)
	_, err = keystore.ParseCertificate("spki:2C:70:E1:2B:7A:06:46:F9:22:79:F4:27:C7:B3:8E:73:34:D8:E5:38:9C:FF:16:7A:1D:C3:0E:73:F8:26:B6:83")
	require.NoError(t, err)
}

// A person's key sees what the person may see, and looks after keys only if that is
// everything.
func TestKeysOfPeople(t *testing.T) {
	s := keystore.New(schematest.Client(t), slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		key  keystore.Key
		want access.Principal
		err  string
	}{
		{key: keystore.Key{Scopes: []access.Scope{"read"}}, want: access.Principal{Role: access.RoleAdmin}},
		{key: keystore.Key{Scopes: []access.Scope{"read"}, UserID: "ana"}, want: access.Principal{UserID: "ana"}},
		{key: keystore.Key{Scopes: []access.Scope{"read"}, UserID: "ana", Role: "viewer"}, want: access.Principal{UserID: "ana", Role: access.RoleViewer}},
		{key: keystore.Key{Scopes: []access.Scope{"admin"}, UserID: "ana", Role: "admin"}, want: access.Principal{UserID: "ana", Role: access.RoleAdmin}},
		{key: keystore.Key{Scopes: []access.Scope{"read"}, Role: "viewer"}, err: "user: say whose key it is"},
		{key: keystore.Key{Scopes: []access.Scope{"read"}, Role: "boss"}, err: `role: "boss" is none`},
		{key: keystore.Key{Scopes: []access.Scope{"admin"}, UserID: "ana"}, err: "scopes: a person's key with the scope admin"},
		{key: keystore.Key{Scopes: []access.Scope{"admin"}, UserID: "ana", Role: "manager"}, err: "scopes: a person's key with the scope admin"},
		{key: keystore.Key{Scopes: []access.Scope{"ingest"}, UserID: "ana", Role: "viewer", CrossTenant: true}, err: "cross-tenant"},
	} {
		c.key.Tenant, c.key.Name = "acme", "k"
		secret, made, err := s.Create(t.Context(), c.key)
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		got, err := s.Authenticate(request(secret))
		require.NoError(t, err)
		c.want.Tenant, c.want.KeyID, c.want.Scopes = "acme", made.ID, c.key.Scopes
		assert.Equal(t, c.want, got)
	}
}
