package hosted

import (
	"errors"

	"github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// Fault is what a plugin of this process, of whatever kind, did instead of answering; nil: the
// error is another. One that ended before it answered is down, as it is for the one who asks next.
func Fault(err error) *query.PluginError {
	var (
		fault  *query.PluginError
		down   *host.DownError
		failed *host.FailedError
	)
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &down):
		return &query.PluginError{Fault: query.PluginDown, Message: panel.Sentence(down.Error())}
	case !errors.As(err, &failed):
		return nil
	}
	fault = &query.PluginError{Fault: query.PluginWrong, Message: panel.Sentence(failed.Error())}
	switch {
	case failed.Gone:
		fault.Fault = query.PluginDown
	case failed.Late:
		fault.Fault = query.PluginLate
	}
	return fault
}
