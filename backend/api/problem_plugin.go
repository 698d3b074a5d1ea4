package api

import (
	"net/http"

	"github.com/flowgauge/flowgauge/backend/panel/hosted"
	"github.com/flowgauge/flowgauge/backend/query"
)

// pluginProblem is that of a plugin which was to answer, nil for any other error. It is not the
// server's fault, and whoever asked is told which plugin and why: the operator has the log.
func pluginProblem(err error) *Problem {
	fault := hosted.Fault(err)
	if fault == nil {
		return nil
	}
	switch fault.Fault {
	case query.PluginDown:
		return &Problem{Type: problemType("plugin-down"), Title: "Plugin down", Status: http.StatusServiceUnavailable, Detail: fault.Message, retryAfter: 5}
	case query.PluginLate:
		return &Problem{Type: problemType("plugin-timeout"), Title: "Plugin timeout", Status: http.StatusGatewayTimeout, Detail: fault.Message}
	}
	return &Problem{Type: problemType("plugin-failed"), Title: "Plugin failed", Status: http.StatusBadGateway, Detail: fault.Message}
}
