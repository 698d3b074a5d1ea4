package directory

import (
	"cmp"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Snapshot is a tenant's directory at one moment. It is never changed.
type Snapshot struct {
	revision uint64
	users    map[string]User
	teams    map[string]Team
	teamsOf  map[string][]string // user to teams, in order
	managed  map[string][]string // user to the teams that they manage
}

// newSnapshot takes the memberships from the teams.
func newSnapshot(revision uint64, users []User, teams []Team) *Snapshot {
	s := &Snapshot{
		revision: revision, users: make(map[string]User, len(users)), teams: make(map[string]Team, len(teams)),
		teamsOf: map[string][]string{}, managed: map[string][]string{},
	}
	for _, t := range teams {
		t.Members, t.Managers = sorted(t.Members), sorted(t.Managers)
		s.teams[t.ID] = t
		for _, id := range t.Members {
			s.teamsOf[id] = append(s.teamsOf[id], t.ID)
		}
		for _, id := range t.Managers {
			s.managed[id] = append(s.managed[id], t.ID)
		}
	}
	for _, lists := range []map[string][]string{s.teamsOf, s.managed} {
		for _, list := range lists {
			slices.Sort(list)
		}
	}
	for _, u := range users {
		u.Teams = s.teamsOf[u.ID]
		s.users[u.ID] = u
	}
	return s
}

// Revision rises with every change.
func (s *Snapshot) Revision() uint64 { return s.revision }

// User returns a user.
func (s *Snapshot) User(id string) (User, bool) {
	u, ok := s.users[id]
	return u, ok
}

// Team returns a team.
func (s *Snapshot) Team(id string) (Team, bool) {
	t, ok := s.teams[id]
	return t, ok
}

// Document returns the whole directory in order of ids.
func (s *Snapshot) Document() *Document {
	d := &Document{Users: make([]User, 0, len(s.users)), Teams: make([]Team, 0, len(s.teams))}
	for _, u := range s.users {
		d.Users = append(d.Users, u)
	}
	for _, t := range s.teams {
		d.Teams = append(d.Teams, t)
	}
	slices.SortFunc(d.Users, func(a, b User) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Teams, func(a, b Team) int { return strings.Compare(a.ID, b.ID) })
	return d
}

// Memberships returns the teams of everybody who is in one. It is not to be changed.
func (s *Snapshot) Memberships() map[string][]string { return s.teamsOf }

// Role returns what a user may see when nothing else says it.
func (s *Snapshot) Role(id string) access.Role {
	role := s.users[id].Role
	if role == "" && len(s.managed[id]) > 0 {
		role = access.RoleManager
	}
	return cmp.Or(role, access.RoleViewer)
}

// Seen returns the users whose data a manager sees: the members of the teams that
// they manage, and themselves.
func (s *Snapshot) Seen(manager string) []string {
	out := []string{manager}
	for _, id := range s.managed[manager] {
		out = append(out, s.teams[id].Members...)
	}
	return sorted(out)
}

// Complete fills in what only the directory knows of who asks.
func (s *Snapshot) Complete(p access.Principal) access.Principal {
	if p.UserID == "" {
		return p
	}
	if p.Role == "" {
		p.Role = s.Role(p.UserID)
	}
	if p.Role == access.RoleManager {
		p.TeamUserIDs = s.Seen(p.UserID)
	}
	return p
}
