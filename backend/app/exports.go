package app

import (
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/export"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
	"github.com/flowgauge/flowgauge/plugins/contract"
)

// export makes what takes answers out of Flowgauge, if the configuration has any to take.
func (a *App) export(engine *query.Engine) error {
	if len(a.cfg.Exports) == 0 {
		return nil
	}
	all := make([]export.Export, len(a.cfg.Exports))
	for i := range a.cfg.Exports {
		x := &a.cfg.Exports[i]
		to, err := a.exporter(x)
		if err != nil {
			return fmt.Errorf("exports, %s: %w", x.Name, err)
		}
		r, err := requestjson.Decode(x.RequestJSON)
		if err != nil {
			return fmt.Errorf("exports, %s: request: %w", x.Name, err)
		}
		all[i] = export.Export{Name: x.Name, Tenant: x.Tenant, Every: x.Every, Delay: x.Delay, Again: x.Again, Since: x.Begins, Request: r, To: to}
	}
	name, err := a.holderName()
	if err != nil {
		return err
	}
	a.exports, err = export.New(export.Config{
		Client: a.database.writer, Holder: name, Exports: all, Engine: engine, Logger: a.log, Registerer: a.registry,
	})
	return err
}

// exporter is the plugin that an export names.
func (a *App) exporter(x *config.Export) (export.Target, error) {
	known := "none"
	var ids []string
	for _, p := range a.host.Plugins(contract.ExtensionExporter) {
		if p.ID() == x.Plugin {
			return export.Remote{Plugin: p}, nil
		}
		ids = append(ids, p.ID())
	}
	if len(ids) > 0 {
		known = strings.Join(ids, ", ")
	}
	return nil, fmt.Errorf("plugin is %q: it is none of the exporters in plugins.use, which are: %s", x.Plugin, known)
}
