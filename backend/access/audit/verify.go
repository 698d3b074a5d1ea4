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

// links is how many links between chains are looked up at once.
const links = 1000

// spill bounds the memory in which the database puts the records of a tenant in order.
const spill = 128 << 20

// Verify recomputes the chains of a tenant, one record after another. What it holds in
// memory grows with the number of chains, of which each start of a process makes one, and
// not with that of the records.
func Verify(ctx context.Context, client *clickhouse.Client, tenant string) (Report, error) {
	v := verifier{tenant: tenant, report: Report{Chains: []Head{}}, rows: newRows()}
	err := client.Do(ctx, clickhouse.Query{
		SQL:    fmt.Sprintf("SELECT %s FROM audit_log WHERE tenant = {tenant:String} ORDER BY chain, sequence, hash SETTINGS max_bytes_before_external_sort = %d", columns, spill),
		Params: map[string]any{"tenant": tenant}, Result: v.rows.results(),
		OnResult: func(context.Context, proto.Block) error {
			for i := range v.rows.tenant.Rows() {
				if v.report.Broken != nil {
					return nil
				}
				if problem := v.check(i); problem != "" {
					v.report.Broken = &Broken{v.rows.chain.Row(i), v.rows.sequence.Row(i), v.rows.at.Row(i).UTC(), problem}
				}
			}
			return nil
		},
	})
	if err != nil {
		return v.report, fmt.Errorf("read audit records: %w", err)
	}
	v.end()
	for from := 0; from < len(v.continued) && v.report.Broken == nil; from += links {
		if err := v.follow(ctx, client, v.continued[from:min(from+links, len(v.continued))]); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

// verifier goes through the records of a tenant, chain by chain.
type verifier struct {
	tenant    string
	rows      *rows
	report    Report
	continued []link
	last      struct {
		chain    string
		sequence uint64
		hash     hash
	}
}

// link is the first record of a chain that continues another one.
type link struct {
	chain    string
	sequence uint64
	at       time.Time
	to       Head
}

// check says what is wrong with a row, if anything is.
func (v *verifier) check(i int) string {
	r := v.rows
	var previous, sum hash
	copy(previous[:], r.previous.Row(i))
	copy(sum[:], r.hash.Row(i))
	chain, sequence, text := r.chain.Row(i), r.sequence.Row(i), r.record.Row(i)
	var rec Record
	if err := json.Unmarshal([]byte(text), &rec); err != nil {
		return "it is no record"
	}
	if chain != v.last.chain {
		v.end()
		v.last.chain, v.last.sequence, v.last.hash = chain, 0, previous
		if rec.Continues != nil {
			v.continued = append(v.continued, link{chain, sequence, rec.At, *rec.Continues})
			if rec.Continues.Hash != previous.String() {
				return "it does not follow what it continues"
			}
		} else if previous != (hash{}) {
			return "it follows a record that it does not name"
		}
	}
	if sequence == v.last.sequence && sum == v.last.hash && chained(previous, text) == sum {
		return "" // written twice, because an answer was lost
	}
	switch {
	case sequence != v.last.sequence+1:
		return fmt.Sprintf("record %d follows record %d: there is one too few or too many", sequence, v.last.sequence)
	case previous != v.last.hash:
		return "it does not follow the record before it"
	case chained(previous, text) != sum:
		return "it was changed: its hash is another"
	case rec.Chain != chain || rec.Sequence != sequence || rec.Tenant != v.tenant || !rec.At.Equal(r.at.Row(i)):
		return "its columns say something else than the record"
	}
	v.last.sequence, v.last.hash = sequence, sum
	v.report.Records++
	v.report.Dropped += rec.Dropped
	return ""
}

// end notes the head of a chain that has no more records.
func (v *verifier) end() {
	if v.last.chain != "" {
		v.report.Chains = append(v.report.Chains, Head{v.last.chain, v.last.sequence, v.last.hash.String()})
	}
}

// follow looks whether what chains continue is still there.
func (v *verifier) follow(ctx context.Context, client *clickhouse.Client, some []link) error {
	chains, sequences := make([]string, len(some)), make([]int64, len(some))
	for i, l := range some {
		chains[i], sequences[i] = l.to.Chain, int64(l.to.Sequence)
	}
	type name struct {
		chain    string
		sequence uint64
	}
	there, r := map[name]string{}, newRows()
	err := client.Do(ctx, clickhouse.Query{
		SQL: "SELECT " + columns + ` FROM audit_log WHERE tenant = {tenant:String} AND (chain, sequence) IN (
    SELECT c, toUInt64(s) FROM (SELECT {chains:Array(String)} AS cs, {sequences:Array(Int64)} AS ss) ARRAY JOIN cs AS c, ss AS s)`,
		Params: map[string]any{"tenant": v.tenant, "chains": chains, "sequences": sequences}, Result: r.results(),
		OnResult: func(context.Context, proto.Block) error {
			for i := range r.tenant.Rows() {
				var sum hash
				copy(sum[:], r.hash.Row(i))
				there[name{r.chain.Row(i), r.sequence.Row(i)}] = sum.String()
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("read audit records: %w", err)
	}
	for _, l := range some {
		if there[name{l.to.Chain, l.to.Sequence}] != l.to.Hash {
			v.report.Broken = &Broken{l.chain, l.sequence, l.at, fmt.Sprintf("it continues record %d of chain %s, which is not there any more", l.to.Sequence, l.to.Chain)}
			return nil
		}
	}
	return nil
}
