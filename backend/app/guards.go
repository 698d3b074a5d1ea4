package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/query"
)

// teams speaks the engine's words for the directory.
type teams struct{ *directory.Store }

// Teams returns who is in which team.
func (t teams) Teams(ctx context.Context, tenant string) (map[string][]string, error) {
	now, err := t.Snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return now.Memberships(), nil
}

// Members returns who is in a team.
func (t teams) Members(ctx context.Context, tenant, team string) ([]string, error) {
	now, err := t.Snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	of, _ := now.Team(team)
	return of.Members, nil
}

// policies speaks the engine's words for the access policies.
type policies struct {
	*policy.Store
	secret []byte // of pseudonyms; empty: none can be made
}

// Policy returns what is kept from a principal. Where pseudonyms are wanted and cannot
// be made, nothing is answered rather than the ids.
func (s policies) Policy(ctx context.Context, p access.Principal) (query.Policy, error) {
	rule, err := s.Rule(ctx, p.Tenant, p.Role)
	if err != nil {
		return query.Policy{}, err
	}
	out := query.Policy{Minimum: rule.MinimumUsers, Redact: rule.Redact}
	if rule.Pseudonyms {
		if len(s.secret) == 0 {
			return out, &query.AccessError{Message: policy.ErrNoKey.Error()}
		}
		out.PseudonymKey = access.TenantKey(s.secret, p.Tenant)
	}
	return out, nil
}

// auditor speaks the engine's words for the audit log.
type auditor struct{ *audit.Log }

// Audit keeps a record of a reading.
func (a auditor) Audit(ctx context.Context, r query.AuditRecord) error {
	rec := audit.Record{
		At: r.At, Tenant: r.Principal.Tenant, KeyID: r.Principal.KeyID, UserID: r.Principal.UserID, Role: r.Principal.Role, Surface: r.Surface,
		Kind: string(r.Kind), Metrics: r.Metrics, From: r.From.UTC(), To: r.To.UTC(), GroupBy: r.GroupBy, Params: map[string]string{},
		Scope: r.Scope, Users: r.Users, Rows: r.Rows, Outcome: string(r.Outcome),
	}
	for name, value := range r.Params {
		rec.Params[name] = value
	}
	for _, f := range r.Filters {
		rec.Filters = append(rec.Filters, audit.Filter{Dimension: f.Dimension, Operator: string(f.Operator), Values: slices.Clone(f.Values)})
	}
	return a.Add(ctx, rec)
}

// revision tells two states of what decides what a principal sees within its scope
// apart: answers from before a change are not those of after it.
func (a *App) revision(ctx context.Context, p access.Principal) (string, error) {
	people, err := a.people.Snapshot(ctx, p.Tenant)
	if err != nil {
		return "", err
	}
	rule, err := a.policies.Rule(ctx, p.Tenant, p.Role)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s %+v", people.Revision(), p.Role, rule), nil
}
