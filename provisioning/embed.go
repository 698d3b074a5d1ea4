// Package provisioning carries the files that set Grafana up: the datasource,
// the folder of dashboards, the plugin, alert rules and whom to notify. README.md
// says how to use them with a Grafana of your own.
package provisioning

import "embed"

// Files are the folders that Grafana's provisioning path has, and notifications,
// whose files go into the folder alerting where they are wanted.
//
//go:embed datasources dashboards plugins alerting notifications
var Files embed.FS

// Notifications are the files of the folder notifications that are contact points,
// with the variable of the environment that each needs.
var Notifications = map[string]string{
	"email.yaml":   "FLOWGAUGE_ALERT_EMAIL",
	"slack.yaml":   "FLOWGAUGE_ALERT_SLACK_URL",
	"webhook.yaml": "FLOWGAUGE_ALERT_WEBHOOK_URL",
}

const (
	// Policies is the file of that folder which routes to the contact points.
	Policies = "policies.yaml"
	// Nobody is the one that does in its place where there is no contact point.
	Nobody = "nobody.yaml"
)
