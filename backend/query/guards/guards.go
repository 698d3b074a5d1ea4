// Package guards connects the query engine to what is kept in the database about access:
// the directory's teams, the tenants' policies, and the audit log. Whatever answers
// questions, a server or Grafana's plugin, has the same.
package guards

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Teams speaks the engine's words for the directory.
type Teams struct{ Directory *directory.Store }

// Teams returns who is in which team.
func (t Teams) Teams(ctx context.Context, tenant string) (map[string][]string, error) {
	now, err := t.Directory.Snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return now.Memberships(), nil
}

// Members returns who is in a team.
func (t Teams) Members(ctx context.Context, tenant, team string) ([]string, error) {
	now, err := t.Directory.Snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	of, _ := now.Team(team)
	return of.Members, nil
}

// Policies speaks the engine's words for the access policies.
type Policies struct {
	Store  *policy.Store
	Secret []byte // of pseudonyms; empty: none can be made
}

// Policy returns what is kept from a principal. Where pseudonyms are wanted and cannot
// be made, nothing is answered rather than the ids.
func (s Policies) Policy(ctx context.Context, p access.Principal) (query.Policy, error) {
	rule, err := s.Store.Rule(ctx, p.Tenant, p.Role)
	if err != nil {
		return query.Policy{}, err
	}
	out := query.Policy{Minimum: rule.MinimumUsers, Redact: rule.Redact}
	if rule.Pseudonyms {
		if len(s.Secret) == 0 {
			return out, &query.AccessError{Message: policy.ErrNoKey.Error()}
		}
		out.PseudonymKey = access.TenantKey(s.Secret, p.Tenant)
	}
	return out, nil
}

// Revision tells two states of what decides what a principal sees within its scope
// apart: answers from before a change are not those of after it.
func Revision(ctx context.Context, p access.Principal, people *directory.Store, policies *policy.Store) (string, error) {
	now, err := people.Snapshot(ctx, p.Tenant)
	if err != nil {
		return "", err
	}
	rule, err := policies.Rule(ctx, p.Tenant, p.Role)
	if err != nil {
		return "", err
	}
	// Each question comes by here, which is why it is not formatted.
	b := strconv.AppendUint(make([]byte, 0, 64), now.Revision(), 10)
	b = append(append(b, ' '), p.Role...)
	b = strconv.AppendInt(append(b, ' '), int64(rule.MinimumUsers), 10)
	b = strconv.AppendBool(append(b, ' '), rule.Pseudonyms)
	for _, name := range rule.Redact {
		b = strconv.AppendQuote(append(b, ' '), name)
	}
	return string(b), nil
}

// Auditor speaks the engine's words for the audit log.
type Auditor struct{ Log *audit.Log }

// Audit keeps a record of a reading.
func (a Auditor) Audit(ctx context.Context, r query.AuditRecord) error {
	rec := audit.Record{
		At: r.At, Tenant: r.Principal.Tenant, KeyID: r.Principal.KeyID, UserID: r.Principal.UserID, Role: r.Principal.Role, Surface: r.Surface,
		Kind: string(r.Kind), Metrics: slices.Clone(r.Metrics), From: r.From.UTC(), To: r.To.UTC(), GroupBy: slices.Clone(r.GroupBy), Params: maps.Clone(r.Params),
		Scope: r.Scope, Users: r.Users, Rows: r.Rows, Outcome: string(r.Outcome),
	}
	for _, f := range r.Filters {
		rec.Filters = append(rec.Filters, audit.Filter{Dimension: f.Dimension, Operator: string(f.Operator), Values: slices.Clone(f.Values)})
	}
	return a.Log.Add(ctx, rec)
}
