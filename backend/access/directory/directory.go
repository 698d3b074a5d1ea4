// Package directory knows a tenant's people: its users with their roles, and the
// teams that they are in and that they manage.
//
//	file, API ──> directory (a row for each user and team) ──> Snapshot ──> role and team of who asks
//	                                                                   └──> the dimension team
//
// Membership is that of now: a figure of last year by team is that of today's
// members. A user whom the directory does not know is a viewer, who sees their own
// data only; ids are those that events carry as userId.
package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flowgauge/flowgauge/backend/access"
)

// The limits of a tenant's directory. Memberships are bound to statements about
// teams, hence their limit.
const (
	MaxUsers       = 100_000
	MaxTeams       = 10_000
	MaxMemberships = 200_000
	MaxBytes       = 64 << 20 // of a document

	maxID   = 256
	maxName = 200
)

// ErrNotFound says that the directory has no such entry.
var ErrNotFound = errors.New("the directory has no such entry")

// ErrChanged says that somebody else has changed the directory meanwhile.
var ErrChanged = errors.New("the directory was changed meanwhile: read it again and make your change there")

// User is a person who runs workflows or looks at figures.
type User struct {
	ID   string `yaml:"id" json:"id"`
	Name string `yaml:"name,omitempty" json:"name,omitempty"`
	// Role is that of keys and tokens that name the user and no role. Empty is manager
	// for whoever manages a team, else viewer.
	Role access.Role `yaml:"role,omitempty" json:"role,omitempty"`
	// Teams are those that the user is a member of. When a user is stored, nil leaves
	// the memberships as they are.
	Teams []string `yaml:"teams,omitempty" json:"teams,omitempty"`
}

// Team is a group of users whose data its managers see.
type Team struct {
	ID       string   `yaml:"id" json:"id"`
	Name     string   `yaml:"name,omitempty" json:"name,omitempty"`
	Members  []string `yaml:"members,omitempty" json:"members"`
	Managers []string `yaml:"managers,omitempty" json:"managers"`
}

// InvalidError says what is wrong with an entry.
type InvalidError struct {
	Entry   string // e.g. user "ana"
	Message string
}

func (e *InvalidError) Error() string { return e.Entry + ": " + e.Message }

func entryOf(kind, id string) string { return fmt.Sprintf("%s %q", kind, id) }

func (u *User) validate() error {
	entry := entryOf(kindUser, u.ID)
	if err := checkID(entry, "id", u.ID); err != nil {
		return err
	}
	if len(u.Name) > maxName {
		return &InvalidError{entry, fmt.Sprintf("the name has %d bytes; it may have %d", len(u.Name), maxName)}
	}
	if !slices.Contains([]access.Role{"", access.RoleViewer, access.RoleManager, access.RoleAdmin}, u.Role) {
		return &InvalidError{entry, fmt.Sprintf("role is %q: it is viewer, manager or admin, or absent", u.Role)}
	}
	return nil
}

func (t *Team) validate() error {
	entry := entryOf(kindTeam, t.ID)
	if err := checkID(entry, "id", t.ID); err != nil {
		return err
	}
	if len(t.Name) > maxName {
		return &InvalidError{entry, fmt.Sprintf("the name has %d bytes; it may have %d", len(t.Name), maxName)}
	}
	for _, list := range [][]string{t.Members, t.Managers} {
		for _, id := range list {
			if err := checkID(entry, "a member or manager", id); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkID wants an id that can be told apart when it is printed.
func checkID(entry, what, id string) error {
	switch {
	case strings.TrimSpace(id) == "":
		return &InvalidError{entry, what + " is empty: give the id that events carry as userId, e.g. ana"}
	case len(id) > maxID:
		return &InvalidError{entry, fmt.Sprintf("%s has %d bytes; it may have %d", what, len(id), maxID)}
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return &InvalidError{entry, what + " has characters that are no text"}
	}
	return nil
}

// sorted returns ids in order, each once.
func sorted(ids []string) []string {
	out := slices.Clone(ids)
	slices.Sort(out)
	return slices.Compact(out)
}
