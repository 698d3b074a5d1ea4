// Package document keeps the documents of people, dashboards and reports, as rows of
// ClickHouse. A document is a name, an owner and a body of JSON that this package does
// not look into.
//
// # Who may what
//
// The owner, and the tenant's administrators, may read and change a document. What is
// public everybody of the tenant may read; what it shows is still each reader's own.
//
// # Two changes at once
//
// A change names the version that it was made from. Every revision is kept with the
// one that it was made from, and counts only if that one stood: of two changes made
// side by side the first stands, and the other is told so.
package document

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Kind is a kind of document.
type Kind string

// The kinds.
const (
	Dashboard Kind = "dashboard"
	Report    Kind = "report"
)

// The reasons why there is no document, or not the one that was to be changed.
var (
	// ErrNotFound is also for a document that the caller may not read: whether it
	// exists is not theirs to know.
	ErrNotFound  = errors.New("there is no such document")
	ErrForbidden = errors.New("only the owner and administrators may change it")
	ErrChanged   = errors.New("it was changed meanwhile: read it again and make your change there")
	ErrFull      = errors.New("there are too many")
)

// MaxBody bounds a document.
const MaxBody = 4 << 20

// Document is the state of one.
type Document struct {
	ID      string
	Version uint64
	Owner   string
	Public  bool
	Name    string
	Body    json.RawMessage
	Created time.Time
	Updated time.Time
}

// OwnerOf names a principal as an owner: the user, or the key where there is none.
func OwnerOf(p access.Principal) string {
	if p.UserID != "" {
		return p.UserID
	}
	return "key:" + p.KeyID
}

// OwnerFor returns the owner as far as a principal may know them: administrators all of
// their tenant, a manager the team's, everybody themselves. Others see what is public
// without seeing whose it is.
func (d *Document) OwnerFor(p access.Principal) string {
	if d.mayChange(p) || p.Role == access.RoleManager && slices.Contains(p.TeamUserIDs, d.Owner) {
		return d.Owner
	}
	return ""
}

func (d *Document) mayRead(p access.Principal) bool { return d.Public || d.mayChange(p) }

func (d *Document) mayChange(p access.Principal) bool {
	return p.Role == access.RoleAdmin || d.Owner == OwnerOf(p)
}
