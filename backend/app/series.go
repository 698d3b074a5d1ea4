package app

import (
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/series"
)

// forecasters are the plugins that questions and budgets may name.
func (a *App) forecasters() query.Forecasters {
	out := map[string]query.Forecaster{}
	for _, p := range a.host.Plugins(contract.ExtensionForecaster) {
		out[p.ID()] = series.Forecaster{Plugin: p}
	}
	return query.Fixed(out)
}

// detectors are the plugins that questions may name.
func (a *App) detectors() query.Detectors {
	out := map[string]query.Detector{}
	for _, p := range a.host.Plugins(contract.ExtensionDetector) {
		out[p.ID()] = series.Detector{Plugin: p}
	}
	return query.Fixed(out)
}
