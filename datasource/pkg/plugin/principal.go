package plugin

import (
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/access"
)

// principal says as whom a call of Grafana's asks. This is the one place that
// decides it. For now everyone who may use the datasource sees the whole of its
// tenant; rules that map Grafana's user and role to a viewer or a manager
// belong here. Alert rules, reports and anonymous viewers have no user
// (PluginContext.User is nil) and get the same. What the tenant's policy keeps from
// administrators is kept from them, and audit records name Grafana's user and the
// datasource.
func principal(s Settings, pc backend.PluginContext) access.Principal {
	p := access.Principal{
		Tenant: s.Tenant,
		Role:   access.RoleAdmin,
		KeyID:  surface,
		Scopes: []access.Scope{access.ScopeRead},
	}
	if pc.DataSourceInstanceSettings != nil && pc.DataSourceInstanceSettings.UID != "" {
		p.KeyID += ":" + pc.DataSourceInstanceSettings.UID
	}
	if pc.User != nil {
		p.UserID = pc.User.Login
	}
	return p
}
