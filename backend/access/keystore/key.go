// Package keystore keeps API keys: who may send and who may read. A key is
// fg_ID_SECRET; the database holds the SHA-256 of the whole key, never the key.
// The secret has 256 random bits, so a plain hash is as good as a slow one.
package keystore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Key is what is known of an API key.
type Key struct {
	ID        string
	Tenant    string
	Name      string
	Hash      [sha256.Size]byte
	Scopes    []access.Scope
	CreatedAt time.Time
	ExpiresAt time.Time // zero never expires
	Revoked   bool
}

// The reasons why a request is not let in. They never contain the key.
var (
	ErrMissing = errors.New("the request has no API key: send it as 'Authorization: Bearer fg_…'")
	ErrUnknown = errors.New("the API key is not known: check that it was copied whole; 'Authorization: Bearer fg_…'")
	ErrExpired = errors.New("the API key has expired: ask an administrator for a new one")
	ErrRevoked = errors.New("the API key was revoked: ask an administrator for a new one")
	// ErrNotLoaded passes when the database has been read for the first time.
	ErrNotLoaded = errors.New("API keys are not loaded yet: the database has not answered since the start")
)

const prefix = "fg_"

// Generate makes a new key and what is stored of it.
func Generate(tenant, name string, scopes ...access.Scope) (secret string, key Key, err error) {
	if tenant == "" {
		return "", Key{}, errors.New("an API key needs a tenant")
	}
	var id [6]byte
	var random [32]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", Key{}, fmt.Errorf("make a key: %w", err)
	}
	if _, err := rand.Read(random[:]); err != nil {
		return "", Key{}, fmt.Errorf("make a key: %w", err)
	}
	key = Key{ID: hex.EncodeToString(id[:]), Tenant: tenant, Name: name, Scopes: scopes, CreatedAt: time.Now().UTC()}
	secret = prefix + key.ID + "_" + base64.RawURLEncoding.EncodeToString(random[:])
	key.Hash = sha256.Sum256([]byte(secret))
	return secret, key, nil
}

// ID returns the public part of a key.
func ID(secret string) (string, bool) {
	rest, ok := strings.CutPrefix(secret, prefix)
	if !ok {
		return "", false
	}
	id, tail, ok := strings.Cut(rest, "_")
	return id, ok && id != "" && tail != ""
}
