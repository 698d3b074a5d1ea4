package app

import (
	"fmt"

	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/notify"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/contract"
)

// notifiers are those of the configuration and of plugins, by the names that budgets have.
func (a *App) notifiers() (notify.Notifiers, error) {
	var all notify.Notifiers
	for _, w := range a.cfg.Notify.Webhooks {
		hook, err := notify.NewWebhook(w.URL, w.Secrets)
		if err != nil {
			return nil, fmt.Errorf("notify.webhooks, %s: %w", w.Name, err)
		}
		all = append(all, notify.Notifier{Name: w.Name, Tenants: w.Tenants, Of: hook})
	}
	for _, p := range a.host.Plugins(contract.ExtensionNotifier) {
		all = append(all, notify.Notifier{Name: p.ID(), Of: notify.Remote{Plugin: p}})
	}
	return all, nil
}

// watch makes what tells people about budgets, if there is anybody to tell.
func (a *App) watch(all notify.Notifiers, budgets *budget.Service, engine *query.Engine) error {
	if len(all) == 0 {
		return nil
	}
	name, err := a.holderName()
	if err != nil {
		return err
	}
	a.watcher, err = notify.New(notify.Config{
		Client: a.database.writer, Holder: name, Notifiers: all, Budgets: budgets, Engine: engine, Interval: a.cfg.Notify.Interval, Logger: a.log, Registerer: a.registry,
	})
	return err
}

// holderName is this process's among those that may do what only one may do: that of the
// collector in it, if there is one.
func (a *App) holderName() (string, error) {
	if a.intake != nil && a.intake.holder != nil {
		return a.intake.holder.name, nil
	}
	if a.holder == nil {
		h, err := openHolder(a.cfg.DataDir)
		if err != nil {
			return "", err
		}
		a.holder = h
	}
	return a.holder.name, nil
}
