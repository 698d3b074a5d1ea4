package keystore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// The reasons why a key is not changed.
var (
	ErrNotFound = errors.New("there is no such key")
	// ErrGone is for a change of a key that was revoked.
	ErrGone = errors.New("the key was revoked, which cannot be undone: make a new one")
)

// InvalidError says what is wrong with a key that is to be made or changed.
type InvalidError struct {
	Field   string
	Message string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

// revokedVersion has the highest bit set: a revoked key's row is the newest
// whatever is written after it, by a process that read the key before.
const revokedVersion = 1 << 63

// MaxGrace bounds how long an old secret may stay good.
const MaxGrace = 90 * 24 * time.Hour

// Create stores a new key, whose Tenant, Name, Scopes and so on are k's, and
// returns its secret, which nobody can find out later.
func (s *Store) Create(ctx context.Context, k Key) (secret string, _ Key, err error) {
	secret, made, err := Generate(k.Tenant, strings.TrimSpace(k.Name), k.Scopes...)
	if err != nil {
		return "", Key{}, &InvalidError{"tenant", "name the tenant that the key is for"}
	}
	made.CrossTenant, made.Limits, made.ExpiresAt = k.CrossTenant, k.Limits, k.ExpiresAt
	made.Role, made.UserID = k.Role, k.UserID
	if made.Certificate, err = ParseCertificate(k.Certificate); err != nil {
		return "", Key{}, &InvalidError{"certificate", err.Error()}
	}
	if err := made.validate(time.Now()); err != nil {
		return "", Key{}, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.Refresh(ctx); err != nil {
		return "", Key{}, err
	}
	if made.Certificate != "" {
		if other := s.now.Load().certificates[made.Certificate]; other != nil {
			return "", Key{}, &InvalidError{"certificate", "key " + other.ID + " already stands for it: revoke that one first"}
		}
	}
	return secret, made, s.Put(ctx, made)
}

// Rotate gives a key a new secret. The one that it had stays good for the grace;
// one from before an earlier rotation does not.
func (s *Store) Rotate(ctx context.Context, id string, grace time.Duration) (secret string, _ Key, err error) {
	if grace < 0 || grace > MaxGrace {
		return "", Key{}, &InvalidError{"grace", fmt.Sprintf("is %s: it is between 0 and %s", grace, MaxGrace)}
	}
	k, err := s.change(ctx, id, func(k *Key) error {
		now := time.Now().UTC()
		if !k.Usable(now) {
			return &InvalidError{"id", "the key has expired: give it a later expiry first, or make a new one"}
		}
		if secret, err = newSecret(k.ID); err != nil {
			return err
		}
		k.PreviousHash, k.PreviousUntil = Hash{}, time.Time{}
		if grace > 0 {
			k.PreviousHash, k.PreviousUntil = k.Hash, now.Add(grace)
		}
		k.Hash = HashOf(secret)
		return nil
	})
	return secret, k, err
}

// Expire sets when a key expires; zero is never.
func (s *Store) Expire(ctx context.Context, id string, at time.Time) (Key, error) {
	return s.change(ctx, id, func(k *Key) error {
		k.ExpiresAt = at
		return nil
	})
}

// Revoke ends a key for good. Ending it again changes nothing.
func (s *Store) Revoke(ctx context.Context, id string) (Key, error) {
	k, err := s.change(ctx, id, func(k *Key) error {
		k.RevokedAt = time.Now().UTC()
		k.Version = max(k.Version, revokedVersion)
		return nil
	})
	if errors.Is(err, ErrGone) {
		return k, nil
	}
	return k, err
}

// change reads a key, edits it and writes it back.
func (s *Store) change(ctx context.Context, id string, edit func(*Key) error) (Key, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.Refresh(ctx); err != nil {
		return Key{}, err
	}
	k, ok := s.Get(id)
	switch {
	case !ok:
		return Key{}, ErrNotFound
	case !k.RevokedAt.IsZero():
		return k, ErrGone
	}
	if err := edit(&k); err != nil {
		return Key{}, err
	}
	return k, s.Put(ctx, k)
}

// Put stores a key, or a new version of it. A version is higher than the one it
// replaces also where two machines' clocks differ.
func (s *Store) Put(ctx context.Context, k Key) error {
	k.Version = max(k.Version+1, uint64(time.Now().UnixMicro()))
	c := newColumns()
	c.add(k)
	if err := s.client.Insert(ctx, "api_keys", c.input()); err != nil {
		return fmt.Errorf("store API key %s: %w", k.ID, err)
	}
	return s.Refresh(ctx)
}

var scopes = []access.Scope{access.ScopeIngest, access.ScopeRead, access.ScopeAdmin}

// validatePerson wants what goes together: whoever looks after keys could make one
// that sees everything, so a key of less than an administrator's role does not.
func (k *Key) validatePerson() error {
	switch {
	case !slices.Contains([]access.Role{"", access.RoleViewer, access.RoleManager, access.RoleAdmin}, k.Role):
		return &InvalidError{"role", fmt.Sprintf("%q is none: give viewer, manager or admin", k.Role)}
	case (k.Role == access.RoleViewer || k.Role == access.RoleManager) && k.UserID == "":
		return &InvalidError{"user", "say whose key it is: a " + string(k.Role) + " sees their own or their team's data"}
	case len(k.UserID) > 256 || strings.TrimSpace(k.UserID) != k.UserID:
		return &InvalidError{"user", "give the id that events carry as userId, in 1 to 256 bytes"}
	case k.UserID != "" && k.Role != access.RoleAdmin && (k.Allows(access.ScopeAdmin) || k.CrossTenant):
		return &InvalidError{"scopes", "a person's key with the scope admin, or a cross-tenant one, has the role admin"}
	}
	return nil
}

func (k *Key) validate(now time.Time) error {
	switch {
	case k.Name == "" || len(k.Name) > 200:
		return &InvalidError{"name", "say in 1 to 200 bytes what the key is for"}
	case len(k.Scopes) == 0:
		return &InvalidError{"scopes", "give ingest, read or admin, or several"}
	case !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(now):
		return &InvalidError{"expires", "must lie in the future"}
	}
	if err := k.validatePerson(); err != nil {
		return err
	}
	for _, scope := range k.Scopes {
		if !slices.Contains(scopes, scope) {
			return &InvalidError{"scopes", fmt.Sprintf("%q is none: give ingest, read or admin", scope)}
		}
	}
	for name, limit := range map[string]*float64{
		"eventsPerSecond": k.Limits.EventsPerSecond, "requestsPerSecond": k.Limits.RequestsPerSecond, "burstSeconds": k.Limits.BurstSeconds,
	} {
		if limit != nil && (*limit < 0 || *limit > 1e9 || math.IsNaN(*limit)) {
			return &InvalidError{name, "is between 0, which is no limit, and 1e9"}
		}
	}
	return nil
}
