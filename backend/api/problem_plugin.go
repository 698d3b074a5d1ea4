package api

import (
	"errors"
	"net/http"

	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// pluginProblem is that of a plugin which was to answer, nil for any other error. It is not the
// server's fault, and whoever asked is told which plugin and why: the operator has the log.
func pluginProblem(err error) *Problem {
	var (
		fault  *query.PluginError
		down   *host.DownError
		failed *host.FailedError
	)
	switch {
	case errors.As(err, &fault):
	case errors.As(err, &down):
		fault = &query.PluginError{Fault: query.PluginDown, Message: down.Error()}
	case errors.As(err, &failed) && failed.Late:
		fault = &query.PluginError{Fault: query.PluginLate, Message: failed.Error()}
	case errors.As(err, &failed):
		fault = &query.PluginError{Fault: query.PluginWrong, Message: failed.Error()}
	default:
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
