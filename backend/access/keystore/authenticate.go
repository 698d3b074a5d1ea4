package keystore

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Authenticate returns who sends a request: by the API key in its header, or,
// where there is none, by the client certificate that the listener has verified.
func (s *Store) Authenticate(r *http.Request) (access.Principal, error) {
	now := time.Now()
	secret := bearer(r)
	if secret == "" {
		return s.byCertificate(r, now)
	}
	if !s.Loaded() {
		return access.Principal{}, ErrNotLoaded
	}
	id, ok := ID(secret)
	if !ok {
		return access.Principal{}, ErrUnknown
	}
	e := s.entry(id)
	if e == nil || !e.opens(secret, now) {
		return access.Principal{}, ErrUnknown
	}
	return e.admit(now)
}

// bearer returns the key that a request carries. It is taken from the header
// only: addresses end up in other programs' logs.
func bearer(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return secret
}

// opens reports whether a secret is the key's. Both hashes are always compared.
func (e *entry) opens(secret string, now time.Time) bool {
	hash := HashOf(secret)
	current := subtle.ConstantTimeCompare(hash[:], e.Hash[:]) == 1
	previous := subtle.ConstantTimeCompare(hash[:], e.PreviousHash[:]) == 1
	return current || previous && now.Before(e.PreviousUntil)
}

// admit lets a request in whose key is known, if it may still be used.
func (e *entry) admit(now time.Time) (access.Principal, error) {
	switch e.State(now) {
	case StateRevoked:
		return access.Principal{}, ErrRevoked
	case StateExpired:
		return access.Principal{}, ErrExpired
	case StateActive, StateRotating:
	}
	e.touch(now)
	return e.principal(), nil
}

// Denied reports whether an error of Authenticate is the caller's fault.
func Denied(err error) bool {
	return errors.Is(err, ErrMissing) || errors.Is(err, ErrUnknown) || errors.Is(err, ErrExpired) ||
		errors.Is(err, ErrRevoked) || errors.Is(err, ErrCertificate) || errors.Is(err, access.ErrDenied)
}
