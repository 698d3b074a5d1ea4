package pricing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
)

// ErrNone says that a tenant has no price book.
var ErrNone = errors.New("there is no price book")

// ErrChanged says that somebody else has changed the price book meanwhile.
var ErrChanged = errors.New("the price book was changed meanwhile: read it again and make your change there")

// RefreshInterval is how long a new book takes to reach every collector.
const RefreshInterval = 10 * time.Second

// Revision is one state of a tenant's book.
type Revision struct {
	Tenant    string    `json:"tenant"`
	Revision  uint64    `json:"revision,string"`
	CreatedAt time.Time `json:"createdAt"`
	Author    string    `json:"author"`
	Book      *Book     `json:"book,omitempty"`
}

// Store keeps price books, and prices with a copy in memory.
type Store struct {
	client *clickhouse.Client
	log    *slog.Logger
	inUse  atomic.Pointer[map[string]*prices] // by tenant
}

// NewStore returns a Store that prices nothing until Refresh.
func NewStore(client *clickhouse.Client, log *slog.Logger) *Store {
	s := &Store{client: client, log: log}
	s.inUse.Store(&map[string]*prices{})
	return s
}

// Price fills in a cost's dollars when its source sent none and its tenant's book
// has a price.
func (s *Store) Price(e *event.Event) {
	if p := (*s.inUse.Load())[e.Tenant]; p != nil && e.Pricing != event.PricingSent {
		p.price(e)
	}
}

// Refresh reads the books in force.
func (s *Store) Refresh(ctx context.Context) error {
	revisions, err := s.read(ctx, `SELECT tenant, max(revision) AS revision, argMax(document, price_books.revision) AS document,
    argMax(author, price_books.revision) AS author, argMax(created_at, price_books.revision) AS created_at
FROM price_books GROUP BY tenant`, nil)
	if err != nil {
		return fmt.Errorf("read price books: %w", err)
	}
	next := make(map[string]*prices, len(revisions))
	for _, r := range revisions {
		rules, err := r.Book.compile()
		if err != nil {
			return fmt.Errorf("price book of %s, revision %d: %w", r.Tenant, r.Revision, err)
		}
		next[r.Tenant] = &prices{revision: r.Revision, rules: rules}
	}
	s.inUse.Store(&next)
	return nil
}

// Run refreshes until ctx ends. While the database is away the books stay as they were.
func (s *Store) Run(ctx context.Context) {
	ticker := time.NewTicker(RefreshInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("price books stay as they were", "error", err)
		}
	}
}

// Put makes a book the tenant's. base is the revision that it was made from, 0 for
// the first; ErrChanged says that another one is in force by now.
func (s *Store) Put(ctx context.Context, tenant, author string, book *Book, base uint64) (Revision, error) {
	if _, err := book.compile(); err != nil {
		return Revision{}, err
	}
	current, err := s.Current(ctx, tenant)
	if err != nil && !errors.Is(err, ErrNone) {
		return Revision{}, err
	}
	if current.Revision != base {
		return Revision{}, ErrChanged
	}
	document, err := json.Marshal(book)
	if err != nil {
		return Revision{}, fmt.Errorf("write the price book: %w", err)
	}
	now := time.Now()
	// Microseconds, so that a revision tells when it was made; above the one that
	// it replaces, whatever the clock says.
	r := Revision{Tenant: tenant, Revision: max(uint64(now.UnixMicro()), base+1), CreatedAt: now.UTC().Truncate(time.Millisecond), Author: author, Book: book}
	err = s.client.Exec(ctx, "INSERT INTO price_books (tenant, revision, document, author) SELECT {tenant:String}, {revision:UInt64}, {document:String}, {author:String}",
		map[string]any{"tenant": tenant, "revision": r.Revision, "document": string(document), "author": author})
	if err != nil {
		return Revision{}, fmt.Errorf("store the price book: %w", err)
	}
	return r, s.Refresh(ctx)
}

// Current returns the book in force, or ErrNone.
func (s *Store) Current(ctx context.Context, tenant string) (Revision, error) {
	revisions, err := s.History(ctx, tenant)
	if err != nil {
		return Revision{}, err
	}
	if len(revisions) == 0 {
		return Revision{}, ErrNone
	}
	return revisions[0], nil
}

// History returns every revision of a tenant's book, the newest first.
func (s *Store) History(ctx context.Context, tenant string) ([]Revision, error) {
	out, err := s.read(ctx, `SELECT tenant, revision, document, author, created_at FROM price_books FINAL
WHERE tenant = {tenant:String} ORDER BY revision DESC`, map[string]any{"tenant": tenant})
	if err != nil {
		return nil, fmt.Errorf("read price books of %s: %w", tenant, err)
	}
	return out, nil
}

func (s *Store) read(ctx context.Context, sql string, params map[string]any) ([]Revision, error) {
	var (
		tenant, document, author proto.ColStr
		revision                 proto.ColUInt64
		created                  = new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
		out                      []Revision
	)
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: sql, Params: params,
		Result: proto.Results{
			{Name: "tenant", Data: &tenant},
			{Name: "revision", Data: &revision},
			{Name: "document", Data: &document},
			{Name: "author", Data: &author},
			{Name: "created_at", Data: created},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range tenant.Rows() {
				book := new(Book)
				if err := json.Unmarshal(document.RowBytes(i), book); err != nil {
					return fmt.Errorf("price book of %s, revision %d: %w", tenant.Row(i), revision.Row(i), err)
				}
				out = append(out, Revision{
					Tenant: tenant.Row(i), Revision: revision.Row(i), Book: book, Author: author.Row(i), CreatedAt: created.Row(i).UTC(),
				})
			}
			return nil
		},
	})
	return out, err
}
