package document

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// revision is a row without its body.
type revision struct {
	Document
	deleted bool
}

// A document is what stands of its revisions: the first one, and each that was made from
// the one that stood.
const (
	standsSQL = `(id, version) IN (
    SELECT id, arrayFold((stands, r) -> if(r.2 = stands, r.1, stands), arraySort(groupArray((version, base))), toUInt64(0))
    FROM documents FINAL WHERE tenant = {tenant:String} AND kind = {kind:String}%s GROUP BY id)`

	revisionsSQL = `SELECT id, version, owner, public, name, toUnixTimestamp64Milli(created) AS created_ms,
    toUnixTimestamp64Milli(updated) AS updated_ms, deleted
FROM documents FINAL WHERE tenant = {tenant:String} AND kind = {kind:String} AND ` + standsSQL + `%s`
)

// params are those of every statement, with more.
func (s *Store) params(tenant string, more map[string]any) map[string]any {
	out := map[string]any{"tenant": tenant, "kind": string(s.kind)}
	maps.Copy(out, more)
	return out
}

// read reads what stands of documents, without their bodies. of restricts documents by
// their ids, rest what stands of them.
func (s *Store) read(ctx context.Context, tenant, of, rest string, params map[string]any) ([]revision, error) {
	var (
		id, owner, name  proto.ColStr
		version          proto.ColUInt64
		public, deleted  proto.ColUInt8
		created, updated proto.ColInt64
		out              []revision
	)
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: fmt.Sprintf(revisionsSQL, of, rest), Params: s.params(tenant, params),
		Result: proto.Results{
			{Name: "id", Data: &id},
			{Name: "version", Data: &version},
			{Name: "owner", Data: &owner},
			{Name: "public", Data: &public},
			{Name: "name", Data: &name},
			{Name: "created_ms", Data: &created},
			{Name: "updated_ms", Data: &updated},
			{Name: "deleted", Data: &deleted},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i := range id.Rows() {
				out = append(out, revision{Document{
					ID: id.Row(i), Version: version[i], Owner: owner.Row(i), Public: public[i] != 0, Name: name.Row(i),
					Created: millis(created[i]), Updated: millis(updated[i]),
				}, deleted[i] != 0})
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read %ss: %w", s.kind, err)
	}
	return out, nil
}

// standing returns what a principal may read, by name, without the bodies: so many that
// come after a document, or the first.
func (s *Store) standing(ctx context.Context, p access.Principal, after *Document, limit int) ([]Document, error) {
	rest, params := " AND deleted = 0", map[string]any{}
	if p.Role != access.RoleAdmin {
		rest += " AND (public = 1 OR owner = {reader:String})"
		params["reader"] = OwnerOf(p)
	}
	if after != nil {
		rest += " AND (lowerUTF8(name), id) > (lowerUTF8({after:String}), {id:String})"
		params["after"], params["id"] = after.Name, after.ID
	}
	rows, err := s.read(ctx, p.Tenant, "", fmt.Sprintf("%s ORDER BY lowerUTF8(name), id LIMIT %d", rest, limit), params)
	if err != nil {
		return nil, err
	}
	out := make([]Document, len(rows))
	for i, r := range rows {
		out[i] = r.Document
	}
	return out, nil
}

// count returns how many documents a tenant has.
func (s *Store) count(ctx context.Context, tenant string) (int, error) {
	var n proto.ColUInt64
	err := s.client.Do(ctx, clickhouse.Query{
		SQL:    fmt.Sprintf("SELECT count() AS n FROM documents FINAL WHERE tenant = {tenant:String} AND kind = {kind:String} AND deleted = 0 AND "+standsSQL, ""),
		Params: s.params(tenant, nil), Result: proto.Results{{Name: "n", Data: &n}},
		OnResult: func(context.Context, proto.Block) error { return nil },
	})
	if err != nil {
		return 0, fmt.Errorf("count %ss: %w", s.kind, err)
	}
	if n.Rows() == 0 {
		return 0, nil
	}
	return int(n[0]), nil
}

// head returns the revision that stands, of a deleted document too.
func (s *Store) head(ctx context.Context, tenant, id string) (revision, error) {
	rows, err := s.read(ctx, tenant, " AND id = {id:String}", "", map[string]any{"id": id})
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
