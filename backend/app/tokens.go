package app

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/certs"
	"github.com/flowgauge/flowgauge/backend/access/oidc"
	"github.com/flowgauge/flowgauge/backend/access/signin"
	"github.com/flowgauge/flowgauge/backend/config"
)

// newTokens returns what checks tokens of the identity provider, nil without one.
func newTokens(cfg config.Config) (signin.Method, error) {
	c := cfg.OIDC
	if c.Issuer == "" {
		return nil, nil
	}
	client := &http.Client{}
	if c.CAFile != "" {
		tls, err := certs.Client{CAFile: c.CAFile}.Config()
		if err != nil {
			return nil, fmt.Errorf("oidc: %w", err)
		}
		client.Transport = &http.Transport{TLSClientConfig: tls, Proxy: http.ProxyFromEnvironment}
	}
	roles := map[string]access.Role{}
	for _, list := range []struct {
		values []string
		role   access.Role
	}{{c.Viewers, access.RoleViewer}, {c.Managers, access.RoleManager}, {c.Admins, access.RoleAdmin}} {
		for _, v := range list.values {
			roles[v] = list.role
		}
	}
	return oidc.New(oidc.Config{
		Issuer: c.Issuer, Audience: c.Audience, Algorithms: c.Algorithms, Leeway: c.Leeway,
		UserClaim: c.UserClaim, TenantClaim: c.TenantClaim, Tenant: cmp.Or(c.Tenant, cfg.Tenant),
		RoleClaim: c.RoleClaim, Roles: roles, HTTP: client,
	})
}
