package budget

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Store keeps budgets.
type Store struct{ client *clickhouse.Client }

// NewStore returns a Store.
func NewStore(client *clickhouse.Client) *Store { return &Store{client} }

// list returns a tenant's budgets by id; one id alone where it is given.
func (s *Store) list(ctx context.Context, tenant, id string) ([]Budget, error) {
	var (
		document, author proto.ColStr
		revision         proto.ColUInt64
		changed          = new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
		out              []Budget
	)
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: `SELECT document, author, revision, changed_at FROM budgets FINAL
WHERE tenant = {tenant:String} AND deleted = 0 AND ({id:String} = '' OR id = {id:String}) ORDER BY id`,
		Params: map[string]any{"tenant": tenant, "id": id},
		Result: proto.Results{
			{Name: "document", Data: &document},
			{Name: "author", Data: &author},
			{Name: "revision", Data: &revision},
			{Name: "changed_at", Data: changed},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range document.Rows() {
				var b Budget
				if err := json.Unmarshal(document.RowBytes(i), &b); err != nil {
					return fmt.Errorf("budget of revision %d: %w", revision.Row(i), err)
				}
				b.Revision, b.Author, b.ChangedAt = revision.Row(i), author.Row(i), changed.Row(i).UTC()
				out = append(out, b)
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read budgets of %s: %w", tenant, err)
	}
	return out, nil
}

// notifying lists the tenants that have budgets which name notifiers.
func (s *Store) notifying(ctx context.Context) ([]string, error) {
	var tenant proto.ColStr
	var out []string
	err := s.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT DISTINCT tenant FROM budgets FINAL WHERE deleted = 0 AND JSONLength(document, 'notify') > 0 ORDER BY tenant",
		Result: proto.Results{{Name: "tenant", Data: &tenant}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range tenant.Rows() {
				out = append(out, tenant.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("list the tenants whose budgets name notifiers: %w", err)
	}
	return out, nil
}

// revision is a budget that follows the one of revision base; 0 follows none.
type revision struct {
	Budget
	base uint64
}

// put writes revisions, all of them or none: they are one part of the table.
func (s *Store) put(ctx context.Context, tenant, author string, revised []revision, deleted bool) ([]Budget, error) {
	now := time.Now()
	out := make([]Budget, len(revised))
	ids, documents, revisions := make([]string, len(revised)), make([]string, len(revised)), make([]int64, len(revised))
	for i, r := range revised {
		b := &out[i]
		*b = r.Budget
		b.Revision, b.Author, b.ChangedAt = 0, "", time.Time{}
		document, err := json.Marshal(b)
		if err != nil {
			return nil, fmt.Errorf("write budget %s: %w", b.ID, err)
		}
		// Microseconds, so that a revision tells when it was made; above the one that
		// it replaces, whatever the clock says.
		b.Revision, b.Author, b.ChangedAt = max(uint64(now.UnixMicro()), r.base+1), author, now.UTC().Truncate(time.Millisecond)
		ids[i], documents[i], revisions[i] = b.ID, string(document), int64(b.Revision)
	}
	gone := uint64(0)
	if deleted {
		gone = 1
	}
	err := s.client.Exec(ctx, `INSERT INTO budgets (tenant, id, revision, deleted, document, author, changed_at)
SELECT {tenant:String}, id, toUInt64(revision), {deleted:UInt8}, document, {author:String}, fromUnixTimestamp64Milli({now:Int64}, 'UTC')
FROM (SELECT {ids:Array(String)} AS ids, {revisions:Array(Int64)} AS revisions, {documents:Array(String)} AS documents)
ARRAY JOIN ids AS id, revisions AS revision, documents AS document`,
		map[string]any{"tenant": tenant, "ids": ids, "revisions": revisions, "documents": documents, "deleted": gone, "author": author, "now": now.UnixMilli()})
	if err != nil {
		return nil, fmt.Errorf("store budgets %s: %w", strings.Join(ids, ", "), err)
	}
	return out, nil
}
