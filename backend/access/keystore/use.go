package keystore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// uses remembers when each key was last used, and from when on the database
// does not know it yet. What is lost with the process is a minute's.
type uses struct {
	mu    sync.Mutex
	known map[string]*use
}

type use struct {
	tenant string
	last   atomic.Int64 // Unix seconds
	noted  int64        // of last, when it was written
}

// of returns where the uses of a key are noted; the same for every snapshot.
func (u *uses) of(tenant, id string) *atomic.Int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known = map[string]*use{}
	}
	if u.known[id] == nil {
		u.known[id] = &use{tenant: tenant}
	}
	return &u.known[id].last
}

// touch notes a use. Within the same second it only reads, so that requests of
// one key do not wait for each other's cache line.
func (e *entry) touch(now time.Time) {
	if second := now.Unix(); e.used.Load() != second {
		e.used.Store(second)
	}
}

// NoteUses writes which keys were used since it was called last.
func (s *Store) NoteUses(ctx context.Context) error {
	var tenant, id proto.ColStr
	var at proto.ColDateTime
	written := map[*use]int64{}
	s.uses.mu.Lock()
	for key, u := range s.uses.known {
		last := u.last.Load()
		if last <= u.noted {
			continue
		}
		tenant.Append(u.tenant)
		id.Append(key)
		at.Append(time.Unix(last, 0))
		written[u] = last
	}
	s.uses.mu.Unlock()
	if len(written) == 0 {
		return nil
	}
	err := s.client.Insert(ctx, "api_key_uses", proto.Input{{Name: "tenant", Data: tenant}, {Name: "id", Data: id}, {Name: "used_at", Data: at}})
	if err != nil {
		return fmt.Errorf("note uses of API keys: %w", err)
	}
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	for u, last := range written {
		u.noted = last
	}
	return nil
}

// LastUses returns when keys were last used, as far as the collectors have told.
func (s *Store) LastUses(ctx context.Context) (map[string]time.Time, error) {
	var id proto.ColStr
	var at proto.ColDateTime
	out := map[string]time.Time{}
	err := s.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT id, max(used_at) AS at FROM api_key_uses GROUP BY id",
		Result: proto.Results{{Name: "id", Data: &id}, {Name: "at", Data: &at}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range id.Rows() {
				out[id.Row(i)] = at.Row(i).UTC()
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read uses of API keys: %w", err)
	}
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	for key, u := range s.uses.known {
		if last := time.Unix(u.last.Load(), 0).UTC(); u.last.Load() > 0 && last.After(out[key]) {
			out[key] = last
		}
	}
	return out, nil
}
