package document

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// MaxDocuments is how many documents of a kind a tenant may have.
const MaxDocuments = 10_000

// Store keeps documents of one kind.
type Store struct {
	client *clickhouse.Client
	kind   Kind
	now    func() time.Time
	most   int
}

// NewStore returns a Store.
func NewStore(client *clickhouse.Client, kind Kind) *Store {
	return &Store{client: client, kind: kind, now: time.Now, most: MaxDocuments}
}

// Page says which part of a list is wanted.
type Page struct {
	After string // the cursor of the page before
	Limit int
}

// List returns what a principal may read, by name, and the cursor of the next page.
func (s *Store) List(ctx context.Context, p access.Principal, page Page) (_ []Document, next string, err error) {
	var after *Document
	if page.After != "" {
		d, err := s.Get(ctx, p, page.After)
		if err != nil {
			return nil, "", err
		}
		after = &d
	}
	list, err := s.standing(ctx, p, after, page.Limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(list) > page.Limit {
		list = list[:page.Limit]
		next = list[len(list)-1].ID
	}
	return list, next, s.bodies(ctx, p.Tenant, list)
}

// Get returns a document that a principal may read.
func (s *Store) Get(ctx context.Context, p access.Principal, id string) (Document, error) {
	d, err := s.current(ctx, p.Tenant, id)
	if err == nil && !d.mayRead(p) {
		err = ErrNotFound
	}
	if err != nil {
		return Document{}, err
	}
	return d, nil
}

// Create stores a new document of the principal's and gives it an id.
func (s *Store) Create(ctx context.Context, p access.Principal, d Document) (Document, error) {
	n, err := s.count(ctx, p.Tenant)
	switch {
	case err != nil:
		return Document{}, err
	case n >= s.most:
		return Document{}, fmt.Errorf("%w: a tenant may have %d %ss, and delete some to make others", ErrFull, s.most, s.kind)
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	d.ID, d.Owner, d.Created = rand.Text(), OwnerOf(p), now
	return s.put(ctx, p.Tenant, d, 0, false)
}

// attempts is how often a change of whichever version stands is made anew, because
// others were faster.
const attempts = 5

// Change edits a document. version is the one that the edit was made from; 0 is
// whichever stands, and edit is then called again where another change was faster.
func (s *Store) Change(ctx context.Context, p access.Principal, id string, version uint64, edit func(*Document) error) (Document, error) {
	return s.change(ctx, p, id, version, edit, false)
}

// Delete removes a document.
func (s *Store) Delete(ctx context.Context, p access.Principal, id string, version uint64) error {
	_, err := s.change(ctx, p, id, version, func(d *Document) error { d.Body = nil; return nil }, true)
	return err
}

func (s *Store) change(ctx context.Context, p access.Principal, id string, version uint64, edit func(*Document) error, deleted bool) (Document, error) {
	for attempt := 1; ; attempt++ {
		d, err := s.changeOnce(ctx, p, id, version, edit, deleted)
		if version != 0 || attempt == attempts || !errors.Is(err, ErrChanged) {
			return d, err
		}
	}
}

func (s *Store) changeOnce(ctx context.Context, p access.Principal, id string, version uint64, edit func(*Document) error, deleted bool) (Document, error) {
	d, err := s.Get(ctx, p, id)
	switch {
	case err != nil:
		return Document{}, err
	case !d.mayChange(p):
		return Document{}, ErrForbidden
	case version != 0 && version != d.Version:
		return Document{}, ErrChanged
	}
	base, owner := d.Version, d.Owner
	if err := edit(&d); err != nil {
		return Document{}, err
	}
	d.ID, d.Owner = id, owner
	return s.put(ctx, p.Tenant, d, base, deleted)
}

const insertSQL = `INSERT INTO documents (tenant, kind, id, version, base, owner, public, name, body, created, updated, deleted)
SELECT {tenant:String}, {kind:String}, {id:String}, {version:UInt64}, {base:UInt64}, {owner:String}, {public:UInt8}, {name:String}, {body:String},
    fromUnixTimestamp64Milli({created:Int64}, 'UTC'), fromUnixTimestamp64Milli({updated:Int64}, 'UTC'), {deleted:UInt8}`

// put stores a revision and looks whether it came to stand.
func (s *Store) put(ctx context.Context, tenant string, d Document, base uint64, deleted bool) (Document, error) {
	d.Updated = s.now().UTC().Truncate(time.Millisecond)
	// Microseconds above the one that it replaces, whatever the clock says.
	d.Version = max(uint64(s.now().UnixMicro()), base+1)
	err := s.client.Exec(ctx, insertSQL, map[string]any{
		"tenant": tenant, "kind": string(s.kind), "id": d.ID, "version": d.Version, "base": base, "owner": d.Owner, "public": number(d.Public),
		"name": d.Name, "body": string(d.Body), "created": d.Created.UnixMilli(), "updated": d.Updated.UnixMilli(), "deleted": number(deleted),
	})
	if err != nil {
		return Document{}, fmt.Errorf("store %s %s: %w", s.kind, d.ID, err)
	}
	stands, err := s.head(ctx, tenant, d.ID)
	if err != nil {
		return Document{}, err
	}
	if stands.Version != d.Version {
		return Document{}, ErrChanged
	}
	return d, nil
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
