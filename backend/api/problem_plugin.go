package api

import (
	"errors"
	"net/http"

	"github.com/flowgauge/flowgauge/plugins/host"
)

// pluginProblem is that of a plugin which was to answer, nil for any other error. It names
// the plugin and says what is wrong with it, in the plugin's own words where it has some.
func pluginProblem(err error) *Problem {
	var (
		down   *host.DownError
		failed *host.FailedError
	)
	switch {
	case errors.As(err, &down):
		return &Problem{
			Type: problemType("plugin-down"), Title: "A plugin is down", Status: http.StatusServiceUnavailable, Detail: down.Error(), retryAfter: 5,
		}
	case errors.As(err, &failed) && failed.Late:
		return &Problem{Type: problemType("plugin-late"), Title: "A plugin does not answer", Status: http.StatusGatewayTimeout, Detail: failed.Error()}
	case errors.As(err, &failed):
		return &Problem{Type: problemType("plugin-failed"), Title: "A plugin failed", Status: http.StatusBadGateway, Detail: failed.Error()}
	}
	return nil
}
