package api

import (
	"errors"
	"net/http"
	"strings"

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
			Type: problemType("plugin-down"), Title: "A plugin is down", Status: http.StatusServiceUnavailable, Detail: cut(down.Error()), retryAfter: 5,
		}
	case errors.As(err, &failed) && failed.Late:
		return &Problem{Type: problemType("plugin-late"), Title: "A plugin does not answer", Status: http.StatusGatewayTimeout, Detail: cut(failed.Error())}
	case errors.As(err, &failed):
		return &Problem{Type: problemType("plugin-failed"), Title: "A plugin failed", Status: http.StatusBadGateway, Detail: cut(failed.Error())}
	}
	return nil
}

// cut keeps what a plugin says to a length that a person reads.
func cut(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
