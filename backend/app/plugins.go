package app

import (
	"context"

	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// newHost finds the plugins that a process of these roles asks.
func (a *App) newHost() (*host.Host, error) {
	cfg := a.cfg.Plugins
	use := make([]host.Use, len(cfg.Use))
	for i, u := range cfg.Use {
		use[i] = host.Use{
			ID: u.ID, Version: u.Version, Settings: u.SettingsJSON, Secrets: u.Secrets, Reread: u.ReadSettings, OnFailure: host.Policy(u.OnFailure), Timeout: u.Timeout, MemoryBytes: u.MemoryBytes,
		}
	}
	return host.New(host.Config{Dir: cfg.Dir, Use: use, Extensions: a.extensions(), Logger: a.log, Registerer: a.registry})
}

// extensions are those that the process asks.
func (a *App) extensions() []contract.Extension {
	var asked []contract.Extension
	if a.opts.Roles.Collector {
		asked = append(asked, contract.ExtensionEnricher, contract.ExtensionPricer, contract.ExtensionSource)
	}
	if a.opts.Roles.Server {
		asked = append(asked, contract.ExtensionExporter, contract.ExtensionNotifier, contract.ExtensionForecaster, contract.ExtensionDetector, contract.ExtensionPanel)
	}
	return asked
}

// ReloadPlugins starts every plugin anew, in its newest version where the configuration names
// none, without a pause for events.
func (a *App) ReloadPlugins(ctx context.Context) error { return a.host.Reload(ctx) }

// Plugins are how they are.
func (a *App) Plugins() []host.State { return a.host.States() }
