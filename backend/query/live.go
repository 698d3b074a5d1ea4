package query

import (
	"context"
	"slices"
	"strconv"

	"github.com/flowgauge/flowgauge/backend/access"
)

// auditLive is the Kind of records about live counters.
const auditLive Kind = "live"

// LiveScope says which of the live counters a principal sees. They are no rows of the
// database: who reads them applies it.
type LiveScope struct {
	Policy
	Tenant string
	All    bool     // the whole tenant's
	Users  []string // else those of these users
}

// Same reports whether two scopes show the same.
func (s *LiveScope) Same(o *LiveScope) bool {
	return s.Tenant == o.Tenant && s.All == o.All && s.Minimum == o.Minimum && slices.Equal(s.Users, o.Users) && slices.Equal(s.Redact, o.Redact)
}

// Hides reports whether a counter is not shown.
func (s *LiveScope) Hides(name string) bool { return s.redacts(name) }

// LiveScope returns what a principal sees of live counters. r has the dimensions that
// they are told apart and filtered by.
//
// Where figures about few users are withheld, counters are of nothing but the whole
// scope: from the counters of a workflow and from those of all, it could be told what a
// user of another workflow did.
func (e *Engine) LiveScope(ctx context.Context, p access.Principal, r Request) (LiveScope, error) {
	s, err := scopeOf(p)
	if err != nil {
		return LiveScope{}, err
	}
	g, err := e.guard(ctx, p)
	if err != nil {
		return LiveScope{}, err
	}
	if _, err := g.admit(ctx, r.From.UnixMilli(), r.To.UnixMilli(), r.GroupBy, r.Filters); err != nil {
		return LiveScope{}, err
	}
	if g.Minimum > 1 && len(r.GroupBy)+len(r.Filters) > 0 {
		return LiveScope{}, &AccessError{Message: "live counters of chosen workflows, or by workflow, are not shown to the role " + string(p.Role) + ", which sees groups of " + strconv.Itoa(g.Minimum) + " users and more"}
	}
	return LiveScope{Policy: g.Policy, Tenant: s.tenant, All: s.all, Users: s.users}, nil
}

// RecordLive keeps a record of a reading of live counters. An error withholds them.
func (e *Engine) RecordLive(ctx context.Context, p access.Principal, r Request, rows int, err error) error {
	r.Kind = auditLive
	rec := recordOf(&r)
	rec.Rows = rows
	return e.audit(ctx, p, rec, nil, err)
}
