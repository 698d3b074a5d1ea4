// Package access says who asks and what they may see. A Principal is made at
// the edge (an API key, Grafana's user) and travels in the context of one
// request; backend/query alone turns it into the rows it may read.
package access

import "errors"

// ErrDenied is in the chain of errors about who asks that are the caller's to mend.
var ErrDenied = errors.New("not let in")

// Role is what a principal may see within its tenant.
type Role string

// The roles.
const (
	RoleViewer  Role = "viewer"  // own data
	RoleManager Role = "manager" // a team's data
	RoleAdmin   Role = "admin"   // the tenant's data
)

// Scope is what an API key may be used for.
type Scope string

// The scopes. Admin includes the other two.
const (
	ScopeIngest Scope = "ingest"
	ScopeRead   Scope = "read"
	ScopeAdmin  Scope = "admin"
)

// Principal is who asks.
type Principal struct {
	Tenant      string
	Role        Role
	UserID      string   // the viewer's own id
	TeamUserIDs []string // a manager's team, the manager included
	KeyID       string   // the API key, for the audit log; never its secret
	Scopes      []Scope
	CrossTenant bool // may name another tenant when it sends events
}

// Allows reports whether the principal's key has the scope.
func (p *Principal) Allows(s Scope) bool {
	for _, have := range p.Scopes {
		if have == s || have == ScopeAdmin {
			return true
		}
	}
	return false
}

// Limits bound what a key may do; the collectors share them. A nil field is the
// configuration's default, zero is no limit.
type Limits struct {
	EventsPerSecond   *float64 `json:"eventsPerSecond,omitempty"`
	RequestsPerSecond *float64 `json:"requestsPerSecond,omitempty"`
	// BurstSeconds is how much may come at once: what may come in so many seconds.
	BurstSeconds *float64 `json:"burstSeconds,omitempty"`
}
