package app

import (
	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/document"
	"github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/promql"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/guards"
)

// questions serves what answers them, and what is about taking events in, which the
// collector answers as well. whole serves the paths that events are sent to.
func (a *App) questions(router gin.IRouter, whole *gin.Engine) error {
	notifiers, err := a.notifiers()
	if err != nil {
		return err
	}
	forecasters := a.forecasters()
	budgets, err := budget.NewService(budget.Config{
		Store: budget.NewStore(a.database.writer), Members: guards.Teams{Directory: a.people}.Members, Notifiers: notifiers.For, Forecasters: forecasters,
	})
	if err != nil {
		return err
	}
	engine, err := query.New(query.Config{
		Client: a.database.reader, Logger: a.log, Budgets: budgets, Forecasters: forecasters, Detectors: a.detectors(),
		Teams: guards.Teams{Directory: a.people}, Policies: guards.Policies{Store: a.policies, Secret: []byte(a.cfg.Privacy.Key)}, Auditor: guards.Auditor{Log: a.audit},
		Extra: panel.Panels{Source: a.panels},
	})
	if err != nil {
		return err
	}
	analytics, err := a.remember(engine)
	if err != nil {
		return err
	}
	cfg, err := a.collector(engine, api.Config{
		Analytics: a.tracedQuestions(analytics), Conflicts: engine, People: engine,
		Authenticator: a.auth, Denied: keystore.Denied, Registerer: a.registry, Logger: a.log,
	}, whole)
	if err != nil {
		return err
	}
	if cfg.Live, err = a.telling(engine); err != nil {
		return err
	}
	if a.opts.Roles.Server {
		if err := a.watch(notifiers, budgets, engine); err != nil {
			return err
		}
		if err := a.export(engine); err != nil {
			return err
		}
		cfg.Budgets = budgets
		cfg.Dashboards = document.NewStore(a.database.writer, document.Dashboard)
		cfg.Reports = document.NewStore(a.database.writer, document.Report)
	}
	rest, err := api.New(cfg)
	if err != nil {
		return err
	}
	a.rest = rest
	if a.opts.Roles.Server {
		rest.Register(router)
		if err := rest.RegisterDocs(router); err != nil {
			return err
		}
		prometheus, err := promql.New(promql.Config{
			Store: engine, Recorder: engine, Authenticator: a.auth, Denied: keystore.Denied, Registerer: a.registry, Logger: a.log,
		})
		if err != nil {
			return err
		}
		prometheus.Register(router)
	}
	rest.RegisterCollector(router)
	rest.RegisterOthers(whole)
	return nil
}
