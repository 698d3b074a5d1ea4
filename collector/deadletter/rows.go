package deadletter

import (
	"encoding/json"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

// rows are the columns of dead_letters, to be read and to be written.
type rows struct {
	version, change                                  *proto.ColUInt64
	partition, position                              *proto.ColInt32
	log, source, kind, keyID, path, contentType      *proto.ColStr
	code, field, message, payload, changedBy, became *proto.ColStr
	truncated                                        *proto.ColUInt8
	state                                            *proto.ColEnum
	changedAt, storedAt                              *proto.ColDateTime64

	// bytes is of the whole payload, where a part of it is read.
	bytes  *proto.ColInt64
	tenant *proto.ColStr // is bound when letters are read
}

func newRows() *rows {
	str := func() *proto.ColStr { return new(proto.ColStr) }
	at := func() *proto.ColDateTime64 { return new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli) }
	return &rows{
		version: new(proto.ColUInt64), change: new(proto.ColUInt64),
		partition: new(proto.ColInt32), position: new(proto.ColInt32),
		log: str(), source: str(), kind: str(), keyID: str(), path: str(), contentType: str(),
		code: str(), field: str(), message: str(), payload: str(), changedBy: str(), became: str(),
		truncated: new(proto.ColUInt8), state: new(proto.ColEnum), changedAt: at(), storedAt: at(),
		bytes: new(proto.ColInt64), tenant: str(),
	}
}

// selected lists the columns in the order of results. A name that is an expression's
// is not the column's: conditions are about columns.
func (r *rows) selected() string {
	return `version, change, partition, position, CAST(log, 'String') AS r_log, source, CAST(kind, 'String') AS r_kind, key_id, path, content_type,
    CAST(code, 'String') AS r_code, field, message, substring(payload, 1, {payload:Int64}) AS r_payload, changed_by, became,
    truncated, state, changed_at, stored_at, toInt64(length(payload)) AS r_bytes`
}

func (r *rows) results() proto.Results {
	return proto.Results{
		{Name: "version", Data: r.version},
		{Name: "change", Data: r.change},
		{Name: "partition", Data: r.partition},
		{Name: "position", Data: r.position},
		{Name: "r_log", Data: r.log},
		{Name: "source", Data: r.source},
		{Name: "r_kind", Data: r.kind},
		{Name: "key_id", Data: r.keyID},
		{Name: "path", Data: r.path},
		{Name: "content_type", Data: r.contentType},
		{Name: "r_code", Data: r.code},
		{Name: "field", Data: r.field},
		{Name: "message", Data: r.message},
		{Name: "r_payload", Data: r.payload},
		{Name: "changed_by", Data: r.changedBy},
		{Name: "became", Data: r.became},
		{Name: "truncated", Data: r.truncated},
		{Name: "state", Data: r.state},
		{Name: "changed_at", Data: r.changedAt},
		{Name: "stored_at", Data: r.storedAt},
		{Name: "r_bytes", Data: r.bytes},
	}
}

func (r *rows) letter(i int) Letter {
	at := place{version: r.version.Row(i), partition: r.partition.Row(i), log: r.log.Row(i)}
	l := Letter{
		ID: at.id(), ReceivedAt: time.UnixMilli(int64(at.version / 1000)).UTC(),
		Source: r.source.Row(i), Kind: r.kind.Row(i), KeyID: r.keyID.Row(i), Path: r.path.Row(i), ContentType: r.contentType.Row(i),
		Position: int(r.position.Row(i)), Code: r.code.Row(i), Field: r.field.Row(i), Message: r.message.Row(i),
		Payload: []byte(r.payload.Row(i)), Bytes: int(r.bytes.Row(i)), Truncated: r.truncated.Row(i) != 0,
		State: State(r.state.Row(i)), ChangedBy: r.changedBy.Row(i),
		at: at, change: r.change.Row(i), storedAt: r.storedAt.Row(i).UnixMilli(),
	}
	if l.State != Open {
		l.ChangedAt = r.changedAt.Row(i).UTC()
	}
	if text := r.became.Row(i); text != "" {
		// Written by this package; what cannot be read would be for show only.
		_ = json.Unmarshal([]byte(text), &l.Became)
	}
	return l
}

func (r *rows) append(tenant string, l *Letter) {
	r.tenant.Append(tenant)
	r.version.Append(l.at.version)
	r.change.Append(l.change)
	r.partition.Append(l.at.partition)
	r.position.Append(int32(l.Position))
	for _, c := range []struct {
		column *proto.ColStr
		text   string
	}{
		{r.log, l.at.log},
		{r.source, l.Source},
		{r.kind, l.Kind},
		{r.keyID, l.KeyID},
		{r.path, l.Path},
		{r.contentType, l.ContentType},
		{r.code, l.Code},
		{r.field, l.Field},
		{r.message, l.Message},
		{r.payload, string(l.Payload)},
		{r.changedBy, l.ChangedBy},
		{r.became, becameText(l.Became)},
	} {
		c.column.Append(c.text)
	}
	truncated := uint8(0)
	if l.Truncated {
		truncated = 1
	}
	r.truncated.Append(truncated)
	r.state.Append(string(l.State))
	r.changedAt.Append(l.ChangedAt)
	r.storedAt.Append(time.UnixMilli(l.storedAt))
}

func becameText(events []Event) string {
	if len(events) == 0 {
		return ""
	}
	b, err := json.Marshal(events)
	if err != nil {
		panic("deadletter: " + err.Error()) // The type has nothing that cannot be marshalled.
	}
	return string(b)
}

func (r *rows) input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: r.tenant},
		{Name: "version", Data: r.version},
		{Name: "change", Data: r.change},
		{Name: "partition", Data: r.partition},
		{Name: "position", Data: r.position},
		{Name: "log", Data: r.log},
		{Name: "source", Data: r.source},
		{Name: "kind", Data: r.kind},
		{Name: "key_id", Data: r.keyID},
		{Name: "path", Data: r.path},
		{Name: "content_type", Data: r.contentType},
		{Name: "code", Data: r.code},
		{Name: "field", Data: r.field},
		{Name: "message", Data: r.message},
		{Name: "payload", Data: r.payload},
		{Name: "changed_by", Data: r.changedBy},
		{Name: "became", Data: r.became},
		{Name: "truncated", Data: r.truncated},
		{Name: "state", Data: r.state},
		{Name: "changed_at", Data: r.changedAt},
		{Name: "stored_at", Data: r.storedAt},
	}
}
