package keystore

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

const (
	refreshEvery = 5 * time.Second
	noteEvery    = time.Minute // uses of keys
)

// Store checks keys against a copy in memory, which it refreshes from the
// database. While the database is away the copy stays in force.
type Store struct {
	client *clickhouse.Client
	log    *slog.Logger
	now    atomic.Pointer[snapshot]
	uses   uses

	changing sync.Mutex // one change at a time
	mu       sync.Mutex // one refresh at a time
	cache    string
	cached   []byte
}

// snapshot is all keys at one moment. It is never changed.
type snapshot struct {
	keys         map[string]*entry
	certificates map[string]*entry // the oldest key of each that was not revoked
}

type entry struct {
	Key
	used *atomic.Int64 // Unix seconds of the last use that this process saw
}

// New returns an empty store; call Refresh or Run.
func New(client *clickhouse.Client, log *slog.Logger) *Store {
	return &Store{client: client, log: log}
}

// Refresh reads all keys.
func (s *Store) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := map[string]Key{}
	c := newColumns()
	sql, results := c.query()
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: sql, Result: results,
		OnResult: func(context.Context, proto.Block) error {
			for i := range c.id.Rows() {
				keys[c.id.Row(i)] = c.row(i)
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("read API keys: %w", err)
	}
	s.use(keys)
	if err := s.save(keys); err != nil {
		s.log.Warn("API keys are not cached; a start without the database would let nobody in", "error", err)
	}
	return nil
}

// use puts keys in force.
func (s *Store) use(keys map[string]Key) {
	next := &snapshot{keys: make(map[string]*entry, len(keys)), certificates: map[string]*entry{}}
	for id, k := range keys {
		e := &entry{Key: k, used: s.uses.of(k.Tenant, id)}
		next.keys[id] = e
		if k.Certificate == "" || !k.RevokedAt.IsZero() {
			continue
		}
		if other := next.certificates[k.Certificate]; other == nil || older(e, other) {
			next.certificates[k.Certificate] = e
		}
	}
	s.now.Store(next)
}

func older(a, b *entry) bool {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) < 0
}

// Run refreshes the keys every few seconds, and notes once a minute which were
// used, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	refresh, note := time.NewTicker(refreshEvery), time.NewTicker(noteEvery)
	defer refresh.Stop()
	defer note.Stop()
	for {
		do, what := s.Refresh, "API keys stay as they were"
		select {
		case <-ctx.Done():
			return
		case <-refresh.C:
		case <-note.C:
			do, what = s.NoteUses, "when API keys were used is not noted"
		}
		// A connection that hangs must not keep a revocation from coming in over another.
		bounded, cancel := context.WithTimeout(ctx, refreshEvery)
		err := do(bounded)
		cancel()
		if err != nil && ctx.Err() == nil {
			s.log.Warn(what, "error", err)
		}
	}
}

// Loaded reports whether the keys have been read.
func (s *Store) Loaded() bool { return s.now.Load() != nil }

func (s *Store) entry(id string) *entry {
	if now := s.now.Load(); now != nil {
		return now.keys[id]
	}
	return nil
}

// Get returns a key by its id.
func (s *Store) Get(id string) (Key, bool) {
	if e := s.entry(id); e != nil {
		return e.Key, true
	}
	return Key{}, false
}

// Limits returns the limits of a key, none of its own when it is not known.
func (s *Store) Limits(id string) access.Limits {
	if e := s.entry(id); e != nil {
		return e.Limits
	}
	return access.Limits{}
}

// List returns the keys of a tenant, or of all when tenant is empty, the oldest
// first.
func (s *Store) List(tenant string) []Key {
	now := s.now.Load()
	if now == nil {
		return nil
	}
	out := []Key{}
	for _, e := range now.keys {
		if tenant == "" || e.Tenant == tenant {
			out = append(out, e.Key)
		}
	}
	slices.SortFunc(out, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}
