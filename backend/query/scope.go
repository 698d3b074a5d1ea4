package query

import (
	"slices"

	"github.com/flowgauge/flowgauge/backend/access"
)

// scope is what a principal may read. It is made here and nowhere else, and
// every statement is built from one.
type scope struct {
	tenant string
	all    bool     // every row of the tenant
	users  []string // else the rows of these users

	teams *teamSets // where the question is by team
	asOf  int64     // microseconds of the moment that the data is read as of; 0 is now
}

// scopeOf turns a principal into its scope. Whoever cannot be placed sees
// nothing: an unknown role, a viewer without an id, a manager without a team. An
// empty user id is nobody, so it is never in a scope; rows without a user are
// the administrators'.
func scopeOf(p access.Principal) (scope, error) {
	if p.Tenant == "" {
		return scope{}, &AccessError{Message: "no tenant: the caller is not known"}
	}
	s := scope{tenant: p.Tenant}
	switch p.Role {
	case access.RoleAdmin:
		s.all = true
		return s, nil
	case access.RoleManager:
		s.users = slices.Clone(p.TeamUserIDs)
	case access.RoleViewer:
		s.users = []string{p.UserID}
	default:
		return scope{}, &AccessError{Message: "the caller has no role: it must be viewer, manager or admin"}
	}
	s.users = slices.DeleteFunc(s.users, func(id string) bool { return id == "" })
	slices.Sort(s.users)
	s.users = slices.Compact(s.users)
	if len(s.users) == 0 {
		if p.Role == access.RoleManager {
			return scope{}, &AccessError{Message: "a manager sees the data of a team, and no team is known for this one"}
		}
		return scope{}, &AccessError{Message: "a viewer sees their own data, and the caller has no user id"}
	}
	return s, nil
}

// sees reports whether the rows of a user are in the scope.
func (s *scope) sees(user string) bool {
	if s.all {
		return true
	}
	_, found := slices.BinarySearch(s.users, user)
	return found
}

// describe says whose rows a scope has.
func (s *scope) describe(role access.Role) string {
	switch {
	case s.all:
		return "all"
	case role == access.RoleManager:
		return "team"
	}
	return "own"
}
