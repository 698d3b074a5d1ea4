package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/prometheus/prometheus/promql"

	"github.com/flowgauge/flowgauge/backend/query"
)

// problem is an error as a user meets it: what happened, what to do, and whose
// it is to mend. A panel's error, the health check's answer and a resource's
// problem document are all made of it.
type problem struct {
	Title  string // what happened, one sentence
	Hint   string // what to do, one sentence; may be empty
	Status backend.Status
	Source backend.ErrorSource
	Err    error // for the log
}

func (p problem) message() string {
	if p.Hint == "" {
		return p.Title
	}
	return p.Title + " " + p.Hint
}

func (p problem) response() backend.DataResponse {
	return backend.DataResponse{Error: errors.New(p.message()), Status: p.Status, ErrorSource: p.Source}
}

// log writes the plugin's own faults as errors. What users and servers do wrong
// they are told themselves; in the log it is a matter for debugging.
func (p problem) log(ctx context.Context, what string, args ...any) {
	logger := log.DefaultLogger.FromContext(ctx)
	args = append(args, "error", p.Err, "status", int(p.Status))
	if p.Source == backend.ErrorSourcePlugin {
		logger.Error(what, args...)
		return
	}
	logger.Debug(what, args...)
}

func internalProblem() problem {
	return problem{
		Title:  "The plugin failed while it answered this query.",
		Hint:   "The reason is in Grafana's log.",
		Status: backend.StatusInternal,
		Source: backend.ErrorSourcePlugin,
	}
}

// problemOf sorts an error. What the request or its author can mend comes
// first, then the way to the database and the database itself.
func (d *Datasource) problemOf(err error) problem {
	p := sort(err, d.settings)
	p.Err = err
	return p
}

func sort(err error, s Settings) problem {
	var (
		wrong   *query.RequestError
		denied  *query.AccessError
		missing *query.NotFoundError
		setting *SettingsError
		fault   *query.PluginError
		tables  *schemaError

		// Prometheus' engine has errors of its own for a context that is over.
		late    promql.ErrQueryTimeout
		stopped promql.ErrQueryCanceled
		samples promql.ErrTooManySamples
	)
	switch {
	case errors.As(err, &setting):
		return problem{
			Title:  fmt.Sprintf("The datasource's setting %s cannot be used: %s", setting.Setting, setting.Message),
			Hint:   setting.Hint,
			Status: backend.StatusBadRequest, Source: backend.ErrorSourceDownstream,
		}
	case errors.As(err, &tables):
		return tables.problem()
	case errors.As(err, &wrong):
		return problem{Title: wrong.Error(), Status: backend.StatusBadRequest, Source: backend.ErrorSourceDownstream}
	case errors.As(err, &denied):
		return problem{Title: denied.Error(), Status: backend.StatusForbidden, Source: backend.ErrorSourceDownstream}
	case errors.As(err, &missing):
		return problem{Title: missing.Error(), Status: backend.StatusNotFound, Source: backend.ErrorSourceDownstream}
	case errors.As(err, &fault):
		return problem{Title: strings.TrimSuffix(fault.Error(), ".") + ".", Hint: "What runs plugins is Flowgauge's server; its log says more.", Status: pluginStatus[fault.Fault], Source: backend.ErrorSourceDownstream}
	case errors.Is(err, query.ErrNotRecorded):
		return problem{
			Title:  "The answer is withheld, because no audit record of it could be stored.",
			Hint:   fmt.Sprintf("Run GRANT INSERT ON %s.audit_log TO %s on the server, or switch “Require audit records” off.", s.Database, s.Username),
			Status: backend.StatusForbidden, Source: backend.ErrorSourceDownstream,
		}
	case errors.Is(err, context.DeadlineExceeded):
		return problem{
			Title:  fmt.Sprintf("The query took longer than %d seconds.", s.Timeout),
			Hint:   "Narrow the period or the number of groups, or raise the timeout in the datasource's settings.",
			Status: backend.StatusTimeout, Source: backend.ErrorSourceDownstream,
		}
	case errors.As(err, &late):
		return problem{
			Title:  fmt.Sprintf("The query took longer than %d seconds.", s.Timeout),
			Hint:   "Take a shorter period, a longer step or fewer series, or raise the timeout in the datasource's settings.",
			Status: backend.StatusTimeout, Source: backend.ErrorSourceDownstream,
		}
	case errors.As(err, &samples):
		return problem{
			Title:  "The query has more samples than may be held at once.",
			Hint:   "Take a shorter period, a longer step or fewer series.",
			Status: backend.StatusBadRequest, Source: backend.ErrorSourceDownstream,
		}
	case errors.Is(err, context.Canceled), errors.As(err, &stopped):
		return problem{Title: "The query was cancelled.", Status: statusClientClosed, Source: backend.ErrorSourceDownstream}
	}
	if p, ok := connectionProblem(err, s); ok {
		return p
	}
	if p, ok := serverProblem(err, s); ok {
		return p
	}
	p := internalProblem()
	p.Title = "The plugin failed while it answered this query: " + err.Error() + "."
	return p
}

// pluginStatus is what the fault of a plugin is in HTTP, as the server has it.
var pluginStatus = map[query.PluginFault]backend.Status{
	query.PluginDown: 503, query.PluginLate: backend.StatusTimeout, query.PluginWrong: backend.StatusBadGateway,
}

// statusClientClosed is what proxies log for a caller who went away.
const statusClientClosed = backend.Status(499)
