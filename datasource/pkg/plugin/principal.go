package plugin

import (
	"context"
	"fmt"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// What somebody sees of the tenant, by their role in Grafana.
const (
	scopeAll       = "all"       // everything
	scopeDirectory = "directory" // what the tenant's directory of users says: all, their teams' or their own
	scopeOwn       = "own"       // what they did themselves
	scopeNone      = "none"      // nothing
)

// Which of what Grafana knows of a user is their id in events.
const (
	userLogin = "login"
	userEmail = "email"
)

// people completes who asks from the tenant's directory.
type people interface {
	Complete(ctx context.Context, p access.Principal) (access.Principal, error)
}

// principal says as whom a call of Grafana's asks. This is the one place that decides
// it, by rules in the datasource's settings. Alert rules, reports and recorded queries
// have no user (PluginContext.User is nil) and a rule of their own. What the tenant's
// policy keeps from administrators is kept from them, and audit records name Grafana's
// user and the datasource.
func (d *Datasource) principal(ctx context.Context, pc backend.PluginContext) (access.Principal, error) {
	p := access.Principal{Tenant: d.settings.Tenant, KeyID: surface, Scopes: []access.Scope{access.ScopeRead}}
	if pc.DataSourceInstanceSettings != nil && pc.DataSourceInstanceSettings.UID != "" {
		p.KeyID += ":" + pc.DataSourceInstanceSettings.UID
	}
	if err := d.identities.check(ctx, pc, d.settings.UserID); err != nil {
		return access.Principal{}, err
	}
	if pc.User != nil {
		p.UserID = pc.User.Login
		if d.settings.UserID == userEmail {
			p.UserID = pc.User.Email
		}
	}
	scope, whose := d.settings.scopeOf(pc.User)
	switch {
	case scope == scopeAll:
		p.Role = access.RoleAdmin
		return p, nil
	case scope == scopeNone:
		return access.Principal{}, &query.AccessError{Message: whose + " see nothing of this datasource: an administrator of Grafana sets that in its settings"}
	case p.UserID == "":
		return access.Principal{}, &query.AccessError{Message: fmt.Sprintf("%s see their own data here, and Grafana does not say who asks: sign in, with an account that has a %s", whose, d.settings.UserID)}
	case scope == scopeOwn:
		p.Role = access.RoleViewer
		return p, nil
	}
	return d.people.Complete(ctx, p)
}

// scopeOf returns the rule for a user, and whom it is about.
func (s *Settings) scopeOf(user *backend.User) (scope, whose string) {
	if user == nil {
		return s.AlertScope, "alert rules"
	}
	switch user.Role {
	case "Admin", "Grafana Admin":
		return s.AdminScope, "administrators"
	case "Editor":
		return s.EditorScope, "editors"
	}
	return s.ViewerScope, "viewers" // and whoever has no role
}
