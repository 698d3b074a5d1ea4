package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

const columns = "tenant, chain, sequence, at, previous, hash, record"

// newest returns the head of a tenant's newest chain, nil when there is none.
func newest(ctx context.Context, client *clickhouse.Client, tenant string) (*Head, hash, error) {
	r, previous := newRows(), hash{}
	var head *Head
	err := client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT " + columns + " FROM audit_log WHERE tenant = {tenant:String} ORDER BY at DESC, sequence DESC LIMIT 1",
		Params: map[string]any{"tenant": tenant}, Result: r.results(),
		OnResult: func(context.Context, proto.Block) error {
			for i := range r.tenant.Rows() {
				copy(previous[:], r.hash.Row(i))
				head = &Head{Chain: r.chain.Row(i), Sequence: r.sequence.Row(i), Hash: previous.String()}
			}
			return nil
		},
	})
	return head, previous, err
}

// Report is what verifying a tenant's records has found.
type Report struct {
	Records uint64  `json:"records"`
	Chains  []Head  `json:"chains"`           // their heads, to be compared with what was noted elsewhere
	Broken  *Broken `json:"broken,omitempty"` // the first; nil: nothing was changed
	Dropped uint64  `json:"dropped"`          // readings that could not be kept
}

// Broken is the first record that is not as it was written.
type Broken struct {
	Chain    string    `json:"chain"`
	Sequence uint64    `json:"sequence"`
	At       time.Time `json:"at"`
	Problem  string    `json:"problem"`
}

// Verify recomputes the chains of a tenant, one record after another.
func Verify(ctx context.Context, client *clickhouse.Client, tenant string) (Report, error) {
	report := Report{Chains: []Head{}}
	heads := map[string]map[uint64]string{} // hashes that a chain may continue
	var continued []Record
	var last struct {
		chain    string
		sequence uint64
		hash     hash
	}
	r := newRows()
	check := func(i int) string {
		var previous, sum hash
		copy(previous[:], r.previous.Row(i))
		copy(sum[:], r.hash.Row(i))
		chain, sequence, text := r.chain.Row(i), r.sequence.Row(i), r.record.Row(i)
		var rec Record
		if err := json.Unmarshal([]byte(text), &rec); err != nil {
			return "it is no record"
		}
		if chain != last.chain {
			if last.chain != "" {
				report.Chains = append(report.Chains, Head{last.chain, last.sequence, last.hash.String()})
			}
			last.chain, last.sequence, last.hash = chain, 0, previous
			heads[chain] = map[uint64]string{}
			if rec.Continues != nil {
				continued = append(continued, rec)
				if rec.Continues.Hash != previous.String() {
					return "it does not follow what it continues"
				}
			} else if previous != (hash{}) {
				return "it follows a record that it does not name"
			}
		}
		if sequence == last.sequence && sum == last.hash && chained(previous, text) == sum {
			return "" // written twice, because an answer was lost
		}
		switch {
		case sequence != last.sequence+1:
			return fmt.Sprintf("record %d follows record %d: there is one too few or too many", sequence, last.sequence)
		case previous != last.hash:
			return "it does not follow the record before it"
		case chained(previous, text) != sum:
			return "it was changed: its hash is another"
		case rec.Chain != chain || rec.Sequence != sequence || rec.Tenant != tenant || !rec.At.Equal(r.at.Row(i)):
			return "its columns say something else than the record"
		}
		last.sequence, last.hash = sequence, sum
		heads[chain][sequence] = sum.String()
		report.Records++
		report.Dropped += rec.Dropped
		return ""
	}
	err := client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT " + columns + " FROM audit_log WHERE tenant = {tenant:String} ORDER BY chain, sequence",
		Params: map[string]any{"tenant": tenant}, Result: r.results(),
		OnResult: func(context.Context, proto.Block) error {
			for i := range r.tenant.Rows() {
				if report.Broken != nil {
					return nil
				}
				if problem := check(i); problem != "" {
					report.Broken = &Broken{r.chain.Row(i), r.sequence.Row(i), r.at.Row(i).UTC(), problem}
				}
			}
			return nil
		},
	})
	if err != nil {
		return report, fmt.Errorf("read audit records: %w", err)
	}
	if last.chain != "" {
		report.Chains = append(report.Chains, Head{last.chain, last.sequence, last.hash.String()})
	}
	for _, rec := range continued {
		if c := rec.Continues; report.Broken == nil && heads[c.Chain][c.Sequence] != c.Hash {
			report.Broken = &Broken{rec.Chain, rec.Sequence, rec.At, fmt.Sprintf("it continues record %d of chain %s, which is not there any more", c.Sequence, c.Chain)}
		}
	}
	return report, nil
}

// Page says which records to list: the newest first.
type Page struct {
	From, To time.Time // own time; zero is no bound
	UserID   string
	KeyID    string
	Kind     string
	Outcome  string
	Before   *Head // the last record of the page before
	Limit    int
}

// List returns records.
func List(ctx context.Context, client *clickhouse.Client, tenant string, p Page) ([]Record, error) {
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
	r, out := newRows(), []Record{}
	err := client.Do(ctx, clickhouse.Query{
		SQL:    fmt.Sprintf("%s ORDER BY at DESC, chain, sequence DESC LIMIT 1 BY chain, sequence, hash LIMIT %d", sql, p.Limit),
		Params: params, Result: r.results(),
		OnResult: func(context.Context, proto.Block) error {
			for i := range r.tenant.Rows() {
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
		return nil, fmt.Errorf("read audit records: %w", err)
	}
	return out, nil
}
