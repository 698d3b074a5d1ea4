package document

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// revision is a row without its body.
type revision struct {
	Document
	base    uint64
	deleted bool
}

const revisionsSQL = `SELECT id, version, base, owner, public, name, toUnixTimestamp64Milli(created) AS created_ms,
    toUnixTimestamp64Milli(updated) AS updated_ms, deleted
FROM documents FINAL WHERE tenant = {tenant:String} AND kind = {kind:String}%s ORDER BY id, version`

// read reads revisions in order and keeps of each document the one that stands: the
// first one, and each that was made from the one that stood.
func (s *Store) read(ctx context.Context, tenant, where string, params map[string]any) ([]revision, error) {
	var (
		id, owner, name  proto.ColStr
		version, base    proto.ColUInt64
		public, deleted  proto.ColUInt8
		created, updated proto.ColInt64
		out              []revision
		all              = map[string]any{"tenant": tenant, "kind": string(s.kind)}
	)
	for k, v := range params {
		all[k] = v
	}
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: fmt.Sprintf(revisionsSQL, where), Params: all,
		Result: proto.Results{
			{Name: "id", Data: &id},
			{Name: "version", Data: &version},
			{Name: "base", Data: &base},
			{Name: "owner", Data: &owner},
			{Name: "public", Data: &public},
			{Name: "name", Data: &name},
			{Name: "created_ms", Data: &created},
			{Name: "updated_ms", Data: &updated},
			{Name: "deleted", Data: &deleted},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range id.Rows() {
				r := revision{
					Document: Document{
						ID: id.Row(i), Version: version[i], Owner: owner.Row(i), Public: public[i] != 0, Name: name.Row(i),
						Created: millis(created[i]), Updated: millis(updated[i]),
					},
					base: base[i], deleted: deleted[i] != 0,
				}
				switch last := len(out) - 1; {
				case last < 0 || out[last].ID != r.ID:
					out = append(out, r)
				case r.base == out[last].Version:
					out[last] = r
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read %ss: %w", s.kind, err)
	}
	return out, nil
}

// heads returns what stands of a tenant's documents, without their bodies.
func (s *Store) heads(ctx context.Context, tenant string) ([]Document, error) {
	rows, err := s.read(ctx, tenant, "", nil)
	if err != nil {
		return nil, err
	}
	out := make([]Document, 0, len(rows))
	for _, r := range rows {
		if !r.deleted {
			out = append(out, r.Document)
		}
	}
	return out, nil
}

// head returns the revision that stands, of a deleted document too.
func (s *Store) head(ctx context.Context, tenant, id string) (revision, error) {
	rows, err := s.read(ctx, tenant, " AND id = {id:String}", map[string]any{"id": id})
	if err != nil {
		return revision{}, err
	}
	if len(rows) == 0 {
		return revision{}, ErrNotFound
	}
	return rows[0], nil
}

// current returns a document with its body.
func (s *Store) current(ctx context.Context, tenant, id string) (Document, error) {
	r, err := s.head(ctx, tenant, id)
	switch {
	case err != nil:
		return Document{}, err
	case r.deleted:
		return Document{}, ErrNotFound
	}
	one := []Document{r.Document}
	err = s.bodies(ctx, tenant, one)
	return one[0], err
}

const bodiesSQL = `SELECT id, version, body FROM documents FINAL
WHERE tenant = {tenant:String} AND kind = {kind:String} AND id IN {ids:Array(String)} AND version IN {versions:Array(Int64)}`

// bodies reads the bodies of documents into them.
func (s *Store) bodies(ctx context.Context, tenant string, of []Document) error {
	if len(of) == 0 {
		return nil
	}
	ids, versions, at := make([]string, len(of)), make([]int64, len(of)), map[string]int{}
	for i, d := range of {
		ids[i], versions[i], at[d.ID] = d.ID, int64(d.Version), i
	}
	var (
		id, body proto.ColStr
		version  proto.ColUInt64
	)
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: bodiesSQL, Params: map[string]any{"tenant": tenant, "kind": string(s.kind), "ids": ids, "versions": versions},
		Result: proto.Results{{Name: "id", Data: &id}, {Name: "version", Data: &version}, {Name: "body", Data: &body}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range id.Rows() {
				if d := &of[at[id.Row(i)]]; d.Version == version[i] {
					d.Body = json.RawMessage(body.Row(i))
				}
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("read %ss: %w", s.kind, err)
	}
	return nil
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
