package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// DefaultTTL is how long a change takes to reach every process.
const DefaultTTL = 5 * time.Second

// Store keeps directories. It answers from a copy of each tenant's that is looked
// after when it is older than the TTL: one small statement says whether it is still
// the same. While the database is away a copy stays in force, as API keys do.
type Store struct {
	client *clickhouse.Client
	ttl    time.Duration
	now    func() time.Time

	changing sync.Mutex // one change at a time
	mu       sync.Mutex
	tenants  map[string]*held
}

// held is the copy of one tenant's directory.
type held struct {
	reading  sync.Mutex // one reader for all who wait
	snapshot *Snapshot
	state    state
	at       time.Time
}

// state tells two states of the table apart. sum sees what max does not: a row whose
// writer's clock is behind. Merges change it too, which costs a reading.
type state struct{ max, sum uint64 }

// NewStore returns a store; a TTL of 0 is DefaultTTL, a negative one keeps nothing.
func NewStore(client *clickhouse.Client, ttl time.Duration) *Store {
	if ttl == 0 {
		ttl = DefaultTTL
	}
	return &Store{client: client, ttl: ttl, now: time.Now, tenants: map[string]*held{}}
}

// Snapshot returns a tenant's directory, at most the TTL old.
func (s *Store) Snapshot(ctx context.Context, tenant string) (*Snapshot, error) {
	return s.read(ctx, tenant, s.ttl)
}

// Complete fills in what only the directory knows of who asks: the role of a user who
// comes without one, and whose data a manager sees.
func (s *Store) Complete(ctx context.Context, p access.Principal) (access.Principal, error) {
	if p.UserID == "" || p.Role == access.RoleViewer || p.Role == access.RoleAdmin {
		return p, nil
	}
	now, err := s.Snapshot(ctx, p.Tenant)
	if err != nil {
		return access.Principal{}, err
	}
	return now.Complete(p), nil
}

func (s *Store) read(ctx context.Context, tenant string, ttl time.Duration) (*Snapshot, error) {
	s.mu.Lock()
	h := s.tenants[tenant]
	if h == nil {
		h = &held{}
		s.tenants[tenant] = h
	}
	s.mu.Unlock()
	h.reading.Lock()
	defer h.reading.Unlock()
	if h.snapshot != nil && s.now().Sub(h.at) < ttl {
		return h.snapshot, nil
	}
	at := s.now()
	err := s.refresh(ctx, tenant, h)
	switch {
	case err == nil:
		h.at = at
	case h.snapshot == nil || ttl <= 0:
		return nil, fmt.Errorf("read the directory of %s: %w", tenant, err)
	}
	return h.snapshot, nil
}

func (s *Store) refresh(ctx context.Context, tenant string, h *held) error {
	var highest, sum proto.ColUInt64
	err := s.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT max(version) AS highest, sum(cityHash64(kind, id, version)) AS total FROM directory WHERE tenant = {tenant:String}",
		Params: map[string]any{"tenant": tenant},
		Result: proto.Results{{Name: "highest", Data: &highest}, {Name: "total", Data: &sum}},
	})
	if err != nil {
		return err
	}
	now := state{}
	if highest.Rows() > 0 {
		now = state{highest.Row(0), sum.Row(0)}
	}
	if h.snapshot != nil && h.state == now {
		return nil
	}
	next, err := s.load(ctx, tenant)
	if err != nil {
		return err
	}
	// What was written since now was looked at is read again at the next look.
	h.snapshot, h.state = next, now
	return nil
}

func (s *Store) load(ctx context.Context, tenant string) (*Snapshot, error) {
	var (
		kind, document proto.ColStr
		version        proto.ColUInt64
		deleted        proto.ColUInt8
		users          []User
		teams          []Team
		revision       uint64
	)
	err := s.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT CAST(kind, 'String') AS kind, version, deleted, document FROM directory FINAL WHERE tenant = {tenant:String}",
		Params: map[string]any{"tenant": tenant},
		Result: proto.Results{
			{Name: "kind", Data: &kind},
			{Name: "version", Data: &version},
			{Name: "deleted", Data: &deleted},
			{Name: "document", Data: &document},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range kind.Rows() {
				revision = max(revision, version.Row(i))
				if deleted.Row(i) != 0 {
					continue
				}
				var err error
				if kind.Row(i) == kindTeam {
					teams, err = decoded(teams, document.RowBytes(i))
				} else {
					users, err = decoded(users, document.RowBytes(i))
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return newSnapshot(revision, users, teams), nil
}

func decoded[T any](list []T, document []byte) ([]T, error) {
	var entry T
	if err := json.Unmarshal(document, &entry); err != nil {
		return nil, fmt.Errorf("parse an entry of the directory: %w", err)
	}
	return append(list, entry), nil
}
