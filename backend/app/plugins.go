package app

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// newHost runs the plugins of a configuration.
func newHost(cfg config.Plugins, log *slog.Logger, registry prometheus.Registerer) (*host.Host, error) {
	use := make([]host.Use, len(cfg.Use))
	for i, u := range cfg.Use {
		use[i] = host.Use{
			ID: u.ID, Version: u.Version, Settings: u.SettingsJSON, OnFailure: host.Policy(u.OnFailure), Timeout: u.Timeout, MemoryBytes: u.MemoryBytes,
		}
	}
	return host.New(host.Config{Dir: cfg.Dir, Use: use, Logger: log, Registerer: registry})
}

// ReloadPlugins starts every plugin anew, in its newest version where the configuration names
// none, without a pause for events.
func (a *App) ReloadPlugins(ctx context.Context) error {
	if !a.stored.Load() { // the intake is there before that; plugins of a start are the newest anyway
		return nil
	}
	if a.intake == nil || a.intake.host == nil {
		return nil
	}
	return a.intake.host.Reload(ctx)
}
