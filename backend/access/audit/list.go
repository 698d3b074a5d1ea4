package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Page says which records to list: the newest first.
type Page struct {
	From, To time.Time // own time; zero is no bound
	UserID   string
	KeyID    string
	Kind     string
	Outcome  string
	Cursor   string // what List gave with the page before
	Limit    int
}

// ErrCursor says that a cursor is none that List has given.
var ErrCursor = errors.New("no such cursor: give next of the page before as it is")

// place is where a record stands in a list.
type place struct {
	at       int64 // Unix milliseconds
	chain    string
	sequence uint64
}

func (p place) cursor() string {
	return strconv.FormatInt(p.at, 10) + "." + p.chain + "." + strconv.FormatUint(p.sequence, 10)
}

func parseCursor(text string) (place, error) {
	at, rest, _ := strings.Cut(text, ".")
	chain, sequence, ok := strings.Cut(rest, ".")
	ms, err1 := strconv.ParseInt(at, 10, 64)
	n, err2 := strconv.ParseUint(sequence, 10, 63)
	if !ok || errors.Join(err1, err2) != nil || ms < 0 || ms > 1<<42 {
		return place{}, ErrCursor
	}
	return place{ms, chain, n}, nil
}

// List returns records, and the cursor of the next page, "" after the last.
func List(ctx context.Context, client *clickhouse.Client, tenant string, p Page) (_ []Record, next string, err error) {
	sql := "SELECT " + columns + " FROM audit_log WHERE tenant = {tenant:String}"
	params := map[string]any{"tenant": tenant}
	if !p.From.IsZero() {
		sql += " AND at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')"
		params["from"] = p.From.UnixMilli()
	}
	if !p.To.IsZero() {
		sql += " AND at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
		params["to"] = p.To.UnixMilli()
	}
	for _, f := range []struct{ name, value string }{{"userId", p.UserID}, {"keyId", p.KeyID}, {"kind", p.Kind}, {"outcome", p.Outcome}} {
		if f.value != "" {
			sql += " AND JSONExtractString(record, '" + f.name + "') = {" + f.name + ":String}"
			params[f.name] = f.value
		}
	}
	if p.Cursor != "" {
		c, err := parseCursor(p.Cursor)
		if err != nil {
			return nil, "", err
		}
		const at = "fromUnixTimestamp64Milli({at:Int64}, 'UTC')"
		sql += " AND at <= " + at + " AND (at < " + at + " OR chain > {chain:String} OR chain = {chain:String} AND sequence < {sequence:UInt64})"
		params["at"], params["chain"], params["sequence"] = c.at, c.chain, c.sequence
	}
	r, out := newRows(), []Record{}
	err = client.Do(ctx, clickhouse.Query{
		SQL:    fmt.Sprintf("%s ORDER BY at DESC, chain, sequence DESC LIMIT 1 BY chain, sequence, hash LIMIT %d", sql, p.Limit+1),
		Params: params, Result: r.results(),
		OnResult: func(context.Context, proto.Block) error {
			for i := range r.tenant.Rows() {
				if len(out) == p.Limit {
					last := out[p.Limit-1]
					next = place{last.At.UnixMilli(), last.Chain, last.Sequence}.cursor()
					return nil
				}
				var rec Record
				if err := json.Unmarshal(r.record.RowBytes(i), &rec); err != nil {
					return fmt.Errorf("audit record %d of chain %s: %w", r.sequence.Row(i), r.chain.Row(i), err)
				}
				out = append(out, rec)
			}
			return nil
		},
	})
	if err != nil {
		return nil, "", fmt.Errorf("read audit records: %w", err)
	}
	return out, next, nil
}
