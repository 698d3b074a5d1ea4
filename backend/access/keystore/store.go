package keystore

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Store checks keys against a copy in memory, which it refreshes from the
// database. While the database is away the copy stays in force.
type Store struct {
	client *clickhouse.Client
	log    *slog.Logger
	keys   atomic.Pointer[map[string]Key]

	mu     sync.Mutex // one refresh at a time
	cache  string
	cached []byte
}

// New returns an empty store; call Refresh or Run.
func New(client *clickhouse.Client, log *slog.Logger) *Store {
	return &Store{client: client, log: log}
}

// Refresh reads all keys.
func (s *Store) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var (
		id, tenant, name proto.ColStr
		hash             = proto.ColFixedStr{Size: sha256.Size}
		scopes           = new(proto.ColStr).LowCardinality().Array()
		created, expires = new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli), new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
		revoked          proto.ColUInt8
	)
	keys := map[string]Key{}
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: "SELECT id, tenant, name, hash, scopes, created_at, expires_at, revoked FROM api_keys FINAL",
		Result: proto.Results{
			{Name: "id", Data: &id},
			{Name: "tenant", Data: &tenant},
			{Name: "name", Data: &name},
			{Name: "hash", Data: &hash},
			{Name: "scopes", Data: scopes},
			{Name: "created_at", Data: created},
			{Name: "expires_at", Data: expires},
			{Name: "revoked", Data: &revoked},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range id.Rows() {
				k := Key{
					ID: id.Row(i), Tenant: tenant.Row(i), Name: name.Row(i),
					CreatedAt: created.Row(i).UTC(), Revoked: revoked.Row(i) != 0,
				}
				copy(k.Hash[:], hash.Row(i))
				if t := expires.Row(i); t.Unix() > 0 {
					k.ExpiresAt = t.UTC()
				}
				for _, scope := range scopes.Row(i) {
					k.Scopes = append(k.Scopes, access.Scope(scope))
				}
				keys[k.ID] = k
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("read API keys: %w", err)
	}
	s.keys.Store(&keys)
	if err := s.save(keys); err != nil {
		s.log.Warn("API keys are not cached; a start without the database would let nobody in", "error", err)
	}
	return nil
}

// Run refreshes every ten seconds until ctx ends.
func (s *Store) Run(ctx context.Context) {
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("API keys stay as they were", "error", err)
		}
	}
}

// Put stores a key, or a new version of it.
func (s *Store) Put(ctx context.Context, k Key) error {
	var (
		id, tenant, name proto.ColStr
		hash             = proto.ColFixedStr{Size: sha256.Size}
		scopes           = new(proto.ColStr).LowCardinality().Array()
		created, expires = new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli), new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
		revoked          proto.ColUInt8
		version          proto.ColUInt64
	)
	id.Append(k.ID)
	tenant.Append(k.Tenant)
	name.Append(k.Name)
	hash.Append(k.Hash[:])
	texts := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		texts[i] = string(scope)
	}
	scopes.Append(texts)
	created.Append(k.CreatedAt)
	if k.ExpiresAt.IsZero() {
		expires.AppendRaw(0)
	} else {
		expires.Append(k.ExpiresAt)
	}
	if k.Revoked {
		revoked.Append(1)
	} else {
		revoked.Append(0)
	}
	version.Append(uint64(time.Now().UnixMicro()))
	err := s.client.Insert(ctx, "api_keys", proto.Input{
		{Name: "id", Data: id},
		{Name: "tenant", Data: tenant},
		{Name: "name", Data: name},
		{Name: "hash", Data: hash},
		{Name: "scopes", Data: scopes},
		{Name: "created_at", Data: created},
		{Name: "expires_at", Data: expires},
		{Name: "revoked", Data: revoked},
		{Name: "version", Data: version},
	})
	if err != nil {
		return fmt.Errorf("store API key %s: %w", k.ID, err)
	}
	return s.Refresh(ctx)
}

// Get returns a key by its id.
func (s *Store) Get(id string) (Key, bool) {
	keys := s.keys.Load()
	if keys == nil {
		return Key{}, false
	}
	k, ok := (*keys)[id]
	return k, ok
}

// Authenticate returns who sends a request.
func (s *Store) Authenticate(r *http.Request) (access.Principal, error) {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || secret == "" {
		return access.Principal{}, ErrMissing
	}
	if s.keys.Load() == nil {
		return access.Principal{}, ErrNotLoaded
	}
	id, ok := ID(secret)
	if !ok {
		return access.Principal{}, ErrUnknown
	}
	k, ok := s.Get(id)
	hash := sha256.Sum256([]byte(secret))
	switch {
	case !ok || subtle.ConstantTimeCompare(hash[:], k.Hash[:]) != 1:
		return access.Principal{}, ErrUnknown
	case k.Revoked:
		return access.Principal{}, ErrRevoked
	case !k.ExpiresAt.IsZero() && time.Now().After(k.ExpiresAt):
		return access.Principal{}, ErrExpired
	}
	return access.Principal{Tenant: k.Tenant, Role: access.RoleAdmin, KeyID: k.ID, Scopes: k.Scopes}, nil
}

// Denied reports whether an error of Authenticate is the caller's fault.
func Denied(err error) bool {
	return errors.Is(err, ErrMissing) || errors.Is(err, ErrUnknown) || errors.Is(err, ErrExpired) || errors.Is(err, ErrRevoked)
}
