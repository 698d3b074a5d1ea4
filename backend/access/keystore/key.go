// Package keystore keeps API keys: who may send and who may read. A key is
// fg_ID_SECRET; the database holds the SHA-256 of the whole key, never the key.
// The secret has 256 random bits, so a plain hash is as good as a slow one.
//
//	        create ──> active ──> expired
//	rotate: the old secret     │ expire: back, or sooner
//	is good for the grace      ▼
//	                        revoked, for good
//
// Every process checks keys against a copy in memory that it reads anew every
// few seconds, so a change reaches all of them within ten seconds, and a database
// that is away keeps nobody out.
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

// Hash is the SHA-256 of a whole key.
type Hash [sha256.Size]byte

// HashOf returns a key's hash.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// Key is what is known of an API key.
type Key struct {
	ID          string
	Version     uint64 // rises with each change
	Tenant      string
	Name        string
	Scopes      []access.Scope
	CrossTenant bool // may name another tenant
	// UserID is the person whose key it is, who is in the directory or not. Empty is a
	// program's, which sees the whole tenant.
	UserID string
	// Role is what the person may see; empty is what the directory says.
	Role          access.Role
	Hash          Hash
	PreviousHash  Hash      // of the secret before the last rotation
	PreviousUntil time.Time // zero: that one is not good any more
	Certificate   string    // of clients that need no secret, see ParseCertificate
	Limits        access.Limits
	CreatedAt     time.Time
	ExpiresAt     time.Time // zero never expires
	RevokedAt     time.Time // zero is not revoked
}

// State is what a key is good for.
type State string

// The states.
const (
	StateActive   State = "active"
	StateRotating State = "rotating" // active, and the old secret still is too
	StateExpired  State = "expired"
	StateRevoked  State = "revoked"
)

// State returns a key's state at a moment.
func (k *Key) State(at time.Time) State {
	switch {
	case !k.RevokedAt.IsZero():
		return StateRevoked
	case !k.ExpiresAt.IsZero() && !at.Before(k.ExpiresAt):
		return StateExpired
	case at.Before(k.PreviousUntil):
		return StateRotating
	}
	return StateActive
}

// Usable reports whether requests with the key are let in.
func (k *Key) Usable(at time.Time) bool {
	s := k.State(at)
	return s == StateActive || s == StateRotating
}

// Allows reports whether the key has the scope.
func (k *Key) Allows(s access.Scope) bool {
	p := access.Principal{Scopes: k.Scopes}
	return p.Allows(s)
}

// principal is who a request with the key comes from. A person's role may be empty:
// the directory has it.
func (k *Key) principal() access.Principal {
	p := access.Principal{
		Tenant: k.Tenant, Role: k.Role, UserID: k.UserID, KeyID: k.ID, Scopes: k.Scopes, CrossTenant: k.CrossTenant,
	}
	if k.UserID == "" && k.Role == "" {
		p.Role = access.RoleAdmin
	}
	return p
}

// The reasons why a request is not let in. They never contain the key.
var (
	ErrMissing = errors.New("the request has no API key: send it as 'Authorization: Bearer fg_…'")
	ErrUnknown = errors.New("the API key is not known: check that it was copied whole; 'Authorization: Bearer fg_…'")
	ErrExpired = errors.New("the API key has expired: ask an administrator for a new one")
	ErrRevoked = errors.New("the API key was revoked: ask an administrator for a new one")
	// ErrCertificate is for a client certificate that comes without an API key.
	ErrCertificate = errors.New("no API key is for this client certificate: an administrator names it with 'flowgauge keys create --certificate', or send a key")
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
	if _, err := rand.Read(id[:]); err != nil {
		return "", Key{}, fmt.Errorf("make a key: %w", err)
	}
	key = Key{ID: hex.EncodeToString(id[:]), Tenant: tenant, Name: name, Scopes: scopes, CreatedAt: time.Now().UTC().Truncate(time.Millisecond)}
	secret, err = newSecret(key.ID)
	key.Hash = HashOf(secret)
	return secret, key, err
}

// newSecret returns a new secret of a key, the key's id in it.
func newSecret(id string) (string, error) {
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return prefix + id + "_" + base64.RawURLEncoding.EncodeToString(random[:]), nil
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
