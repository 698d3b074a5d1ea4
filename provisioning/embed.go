// Package provisioning carries the files that set Grafana up: the datasource,
// the folder of dashboards and the plugin. README.md says how to use them with a
// Grafana of your own.
package provisioning

import "embed"

// Files are the folders that Grafana's provisioning path has.
//
//go:embed datasources dashboards plugins
var Files embed.FS
