package plugin

import (
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/access"
)

// principal says as whom a call of Grafana's asks. This is the one place that
// decides it. For now everyone who may use the datasource sees the whole of its
// tenant; rules that map Grafana's user and role to a viewer or a manager
// belong here. Alert rules, reports and anonymous viewers have no user
// (PluginContext.User is nil) and get the same.
func principal(s Settings, _ backend.PluginContext) access.Principal {
	return access.Principal{
		Tenant: s.Tenant,
		Role:   access.RoleAdmin,
		Scopes: []access.Scope{access.ScopeRead},
	}
}
