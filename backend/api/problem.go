package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Problem is a problem document (RFC 9457). Param, Value, Allowed and Example are
// about the parameter that has to be changed.
type Problem struct {
	Type    string   `json:"type"`
	Title   string   `json:"title"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail,omitempty"`
	Param   string   `json:"param,omitempty"`
	Value   string   `json:"value,omitempty"`
	Allowed []string `json:"allowed,omitempty"`
	Example string   `json:"example,omitempty"`

	// Code and Errors say why a dead letter was not taken again.
	Code   string       `json:"code,omitempty"`
	Errors []EventFault `json:"errors,omitempty"`

	retryAfter int
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// problemType is a name, not an address: the document says all there is to say.
func problemType(name string) string { return "urn:flowgauge:problem:" + name }

// invalid is about one parameter. What a caller sent is not worth a page: it is shortened.
func invalid(param, value, detail, example string, allowed ...string) *Problem {
	const most = 100
	if r := []rune(value); len(r) > most {
		value = string(r[:most]) + "…"
	}
	return &Problem{
		Type: problemType("invalid-parameter"), Title: "Invalid parameter", Status: http.StatusBadRequest,
		Detail: detail, Param: param, Value: value, Allowed: allowed, Example: example,
	}
}

func notFound(path string) *Problem {
	return &Problem{Type: problemType("not-found"), Title: "Not found", Status: http.StatusNotFound, Detail: "there is nothing at " + path + "; " + Root + "/openapi.yaml lists what there is"}
}

// Refused is a problem that the server has no part in, for those who implement what
// the endpoints need.
func Refused(status int, name, detail string) *Problem {
	return &Problem{Type: problemType(name), Title: http.StatusText(status), Status: status, Detail: detail}
}

// Busy is a problem that passes.
func Busy(code, detail string, retryAfter int) *Problem {
	return &Problem{Type: problemType("unavailable"), Title: "Unavailable", Status: http.StatusServiceUnavailable, Detail: detail, Code: code, retryAfter: retryAfter}
}

func methodNotAllowed(method string) *Problem {
	return &Problem{Type: problemType("method-not-allowed"), Title: "Method not allowed", Status: http.StatusMethodNotAllowed, Detail: method + " is not for this address; " + Root + "/openapi.yaml lists what is"}
}

// statusClosed is nginx's code for a caller who went away; nobody reads it but
// the metrics.
const statusClosed = 499

// problemOf sorts errors. What the server said about its own trouble is logged,
// not sent: it may quote a statement.
func problemOf(err error) *Problem {
	var (
		known   *Problem
		request *query.RequestError
		denied  *query.AccessError
		missing *query.NotFoundError
		fault   *query.PluginError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &request):
		return invalid(request.Param, request.Value, request.Message, request.Example, request.Allowed...)
	case errors.As(err, &denied):
		return &Problem{Type: problemType("forbidden"), Title: "Forbidden", Status: http.StatusForbidden, Detail: denied.Message}
	case errors.As(err, &missing):
		return &Problem{Type: problemType("not-found"), Title: "Not found", Status: http.StatusNotFound, Detail: missing.Message}
	case errors.As(err, &fault):
		return pluginProblem(fault)
	case errors.Is(err, context.Canceled):
		return &Problem{Type: problemType("closed"), Title: "Closed", Status: statusClosed}
	case errors.Is(err, context.DeadlineExceeded):
		return &Problem{Type: problemType("timeout"), Title: "Timeout", Status: http.StatusGatewayTimeout, Detail: "the answer took too long: narrow the period or the number of groups"}
	}
	var database *clickhouse.Error
	if errors.As(err, &database) {
		switch database.Class {
		case clickhouse.ClassUnavailable:
			return &Problem{Type: problemType("unavailable"), Title: "Unavailable", Status: http.StatusServiceUnavailable, Detail: "the database does not answer: try again later", retryAfter: 5}
		case clickhouse.ClassOverloaded:
			return &Problem{Type: problemType("overloaded"), Title: "Overloaded", Status: http.StatusServiceUnavailable, Detail: "the database has too much to do: try again later", retryAfter: 2}
		case clickhouse.ClassLimit:
			return &Problem{Type: problemType("too-much"), Title: "Too much asked for", Status: http.StatusUnprocessableEntity, Detail: "the answer takes more than it may: narrow the period or the number of groups"}
		}
	}
	return &Problem{Type: problemType("internal"), Title: "Internal error", Status: http.StatusInternalServerError, Detail: "the server failed; its log says why"}
}

// pluginProblem says what a plugin did instead of answering. It is not the server's fault,
// and whoever asked is told why: the operator has the log.
func pluginProblem(fault *query.PluginError) *Problem {
	switch fault.Fault {
	case query.PluginDown:
		return &Problem{Type: problemType("plugin-down"), Title: "Plugin down", Status: http.StatusServiceUnavailable, Detail: fault.Message, retryAfter: 5}
	case query.PluginLate:
		return &Problem{Type: problemType("plugin-timeout"), Title: "Plugin timeout", Status: http.StatusGatewayTimeout, Detail: fault.Message}
	}
	return &Problem{Type: problemType("plugin-failed"), Title: "Plugin failed", Status: http.StatusBadGateway, Detail: fault.Message}
}

// fail answers with an error.
func (a *API) fail(c *gin.Context, err error) {
	p := operationOf(c).documented(problemOf(err))
	if p.Status >= http.StatusInternalServerError {
		a.log.ErrorContext(c.Request.Context(), "request failed", "path", c.FullPath(), "status", p.Status, "error", err)
	}
	a.problem(c, p)
}

func (a *API) problem(c *gin.Context, p *Problem) {
	if p.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(p.retryAfter))
	}
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"type":"` + problemType("internal") + `"}`)
	}
	c.Abort()
	c.Data(p.Status, "application/problem+json", body)
}
