package oidc

import (
	"fmt"

	"github.com/flowgauge/flowgauge/backend/access"
)

// principal reads claims. A token without what identifies somebody lets nobody in.
func (a *Authenticator) principal(subject string, claims map[string]any) (access.Principal, error) {
	p := access.Principal{Tenant: a.cfg.Tenant, Scopes: []access.Scope{access.ScopeRead}}
	var err error
	if p.UserID, err = text(claims, a.cfg.UserClaim); err != nil {
		return access.Principal{}, err
	}
	// An address that nobody has proved to be theirs could be anybody's.
	if verified, said := claims["email_verified"].(bool); a.cfg.UserClaim == "email" && said && !verified {
		return access.Principal{}, fmt.Errorf("%w: the token's email is not verified", access.ErrDenied)
	}
	if a.cfg.TenantClaim != "" {
		if p.Tenant, err = text(claims, a.cfg.TenantClaim); err != nil {
			return access.Principal{}, err
		}
	}
	p.Role = a.role(claims)
	if p.Role == access.RoleAdmin {
		p.Scopes = []access.Scope{access.ScopeAdmin}
	}
	p.KeyID = "oidc:" + subject
	return p, nil
}

func text(claims map[string]any, name string) (string, error) {
	s, ok := claims[name].(string)
	if !ok || s == "" || len(s) > 256 {
		return "", fmt.Errorf("%w: the token's claim %q must be a text of 1 to 256 bytes", access.ErrDenied, name)
	}
	return s, nil
}

// role returns the highest role that the claim's values give, or "": the directory's.
func (a *Authenticator) role(claims map[string]any) access.Role {
	var values []any
	switch claim := claims[a.cfg.RoleClaim].(type) {
	case string:
		values = []any{claim}
	case []any:
		values = claim
	}
	rank := map[access.Role]int{access.RoleViewer: 1, access.RoleManager: 2, access.RoleAdmin: 3}
	best := access.Role("")
	for _, v := range values {
		name, _ := v.(string)
		if role := a.cfg.Roles[name]; rank[role] > rank[best] {
			best = role
		}
	}
	return best
}
