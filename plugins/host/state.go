package host

import (
	"time"

	"github.com/flowgauge/flowgauge/plugins/contract"
)

// State is how a plugin is, for whoever operates it. It has nothing of its settings, which may
// be secrets.
type State struct {
	ID        string               `json:"id"`
	Version   string               `json:"version"` // the one that runs, or that was there at the start
	Extends   []contract.Extension `json:"extends"`
	OnFailure Policy               `json:"onFailure,omitempty"`
	Up        bool                 `json:"up"`
	Since     time.Time            `json:"since"`
	Why       string               `json:"why,omitempty"` // it is down
	Restarts  int                  `json:"restarts"`      // because it had failed
}

// States are how the plugins are, in the order of the configuration.
func (h *Host) States() []State {
	states := make([]State, len(h.plugins))
	for i, p := range h.plugins {
		states[i] = p.state()
	}
	return states
}

func (p *Plugin) state() State {
	m := p.Manifest()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{
		ID: p.cfg.ID, Version: m.Version, Extends: m.Extends, OnFailure: p.cfg.OnFailure,
		Up: p.current != nil, Since: p.since.UTC(), Restarts: p.restarts,
	}
	if !s.Up {
		s.Why = p.why.Error()
	}
	return s
}

// again counts a start after a failure.
func (p *Plugin) again() {
	p.mu.Lock()
	p.restarts++
	p.mu.Unlock()
	p.metrics.restarts.Inc()
}
