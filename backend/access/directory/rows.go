package directory

import (
	"encoding/json"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"
)

// The kinds of rows.
const (
	kindUser = "user"
	kindTeam = "team"
)

// rows are entries as columns.
type rows struct {
	tenant, id, document, author proto.ColStr
	kind                         *proto.ColLowCardinality[string]
	version                      proto.ColUInt64
	deleted                      proto.ColUInt8
}

func newRows() *rows { return &rows{kind: new(proto.ColStr).LowCardinality()} }

func (r *rows) input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &r.tenant},
		{Name: "kind", Data: r.kind},
		{Name: "id", Data: &r.id},
		{Name: "version", Data: &r.version},
		{Name: "deleted", Data: &r.deleted},
		{Name: "document", Data: &r.document},
		{Name: "author", Data: &r.author},
	}
}

// change is a new version of an entry; a nil document removes it.
type change struct {
	kind, id string
	document any
}

func putUser(u User) change {
	u.Teams = nil // teams hold the memberships
	return change{kindUser, u.ID, u}
}

func putTeam(t Team) change {
	t.Members, t.Managers = sorted(t.Members), sorted(t.Managers)
	return change{kindTeam, t.ID, t}
}

func (r *rows) add(tenant, author string, version uint64, c change) error {
	text, deleted := []byte(nil), uint8(1)
	if c.document != nil {
		var err error
		if text, err = json.Marshal(c.document); err != nil {
			return fmt.Errorf("write %s: %w", entryOf(c.kind, c.id), err)
		}
		deleted = 0
	}
	r.tenant.Append(tenant)
	r.kind.Append(c.kind)
	r.id.Append(c.id)
	r.version.Append(version)
	r.deleted.Append(deleted)
	r.document.AppendBytes(text)
	r.author.Append(author)
	return nil
}
