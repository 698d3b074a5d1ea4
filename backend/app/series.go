package app

import (
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/series"
)

// forecasters are the plugins that questions and budgets may name.
func (a *App) forecasters() query.Forecasters {
	out := query.Forecasters{}
	for _, p := range a.host.Plugins(contract.ExtensionForecaster) {
		out[p.ID()] = series.Forecaster{Plugin: p}
	}
	return out
}

// detectors are the plugins that questions may name.
func (a *App) detectors() query.Detectors {
	out := query.Detectors{}
	for _, p := range a.host.Plugins(contract.ExtensionDetector) {
		out[p.ID()] = series.Detector{Plugin: p}
	}
	return out
}
