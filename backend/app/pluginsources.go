package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/source"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// pluginSources serves the plugins that events come from, and prepares to ask those that are
// asked every so often.
func (in *intake) pluginSources(router gin.IRouter, receiver *receive.Receiver, a *App) error {
	plugins := map[string]*host.Plugin{}
	for _, p := range a.host.Plugins(contract.ExtensionSource) {
		plugins[p.ID()] = p
	}
	metrics, err := source.NewMetrics(a.registry)
	if err != nil {
		return err
	}
	for _, use := range a.cfg.Plugins.Use {
		p := plugins[use.ID]
		switch {
		case p != nil:
		case use.Every > 0:
			return fmt.Errorf("plugins.use, %s: every is %s, and the plugin is no source: leave it out", use.ID, use.Every)
		default:
			continue
		}
		cfg := source.Config{Plugin: p, Receiver: receiver, Tenant: use.Tenant, Logger: a.log}
		source.NewEndpoint(cfg).Register(router)
		if use.Every > 0 {
			if err := in.addPuller(cfg, use, a, metrics); err != nil {
				return fmt.Errorf("plugins.use, %s: %w", use.ID, err)
			}
		}
	}
	return nil
}

func (in *intake) addPuller(cfg source.Config, use config.PluginUse, a *App, metrics *source.Metrics) error {
	p, err := source.NewPuller(source.PullConfig{
		Config: cfg, Every: use.Every, Dir: filepath.Join(a.cfg.DataDir, "sources"), Metrics: metrics,
	})
	if err != nil {
		return err
	}
	in.pullers = append(in.pullers, p)
	return nil
}

// pull asks plugins for events until ctx ends.
func (in *intake) pull(ctx context.Context) {
	var all sync.WaitGroup
	for _, p := range in.pullers {
		all.Go(func() { p.Run(ctx) })
	}
	all.Wait()
}
