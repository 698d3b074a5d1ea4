package promql

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/query"
)

// The types of errors, as Prometheus spells them.
const (
	typeTimeout     = "timeout"
	typeCanceled    = "canceled"
	typeExecution   = "execution"
	typeBadData     = "bad_data"
	typeUnavailable = "unavailable"
)

// statusClientClosed is what Prometheus answers to who has gone.
const statusClientClosed = 499

// answer is the body of every answer.
type answer struct {
	Status    string   `json:"status"`
	Data      any      `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Infos     []string `json:"infos,omitempty"`
}

// shownWarnings is how many warnings and infos an answer has, as in Prometheus.
const shownWarnings = 10

func (a *API) succeed(c *gin.Context, data any, warnings annotations.Annotations) {
	out := answer{Status: "success", Data: data}
	out.Warnings, out.Infos = warnings.AsStrings(c.Request.FormValue("query"), shownWarnings, shownWarnings)
	a.write(c, http.StatusOK, out)
}

func (a *API) fail(c *gin.Context, status int, kind string, err error, warnings annotations.Annotations) {
	out := answer{Status: "error", ErrorType: kind, Error: err.Error()}
	out.Warnings, out.Infos = warnings.AsStrings("", shownWarnings, shownWarnings)
	a.write(c, status, out)
}

func (a *API) badData(c *gin.Context, err error) {
	a.fail(c, http.StatusBadRequest, typeBadData, err, nil)
}

// refuse answers an error of a query.
func (a *API) refuse(c *gin.Context, err error, warnings annotations.Annotations) {
	var (
		canceled promql.ErrQueryCanceled
		timeout  promql.ErrQueryTimeout
		request  *query.RequestError
		denied   *query.AccessError
		many     *tooManySeriesError
		much     *tooMuchError
		samples  promql.ErrTooManySamples
		limited  *clickhouse.Error
	)
	switch {
	case errors.Is(err, query.ErrNotRecorded):
		a.log.ErrorContext(c.Request.Context(), "record a PromQL query", "error", err)
		c.Header("Retry-After", "5")
		a.fail(c, http.StatusServiceUnavailable, typeUnavailable, errors.New("the answer is withheld, because it could not be recorded: try again later"), nil)
	case errors.As(err, &canceled), errors.Is(err, context.Canceled):
		a.fail(c, statusClientClosed, typeCanceled, err, warnings)
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		a.fail(c, http.StatusServiceUnavailable, typeTimeout, err, warnings)
	case errors.As(err, &denied):
		a.fail(c, http.StatusForbidden, "forbidden", err, warnings)
	case errors.As(err, &request), errors.As(err, &many), errors.As(err, &much), errors.As(err, &samples):
		a.fail(c, http.StatusUnprocessableEntity, typeExecution, err, warnings)
	case errors.As(err, &limited) && limited.Class == clickhouse.ClassLimit:
		a.fail(c, http.StatusUnprocessableEntity, typeExecution, errors.New("the query asks more of the database than it may: choose fewer series, a shorter period, or sum them up"), nil)
	case errors.As(err, &limited):
		a.log.ErrorContext(c.Request.Context(), "answer a PromQL query", "error", err)
		c.Header("Retry-After", "5")
		a.fail(c, http.StatusServiceUnavailable, typeUnavailable, errors.New("the database does not answer: try again later"), nil)
	default:
		a.fail(c, http.StatusUnprocessableEntity, typeExecution, err, warnings)
	}
}

func (a *API) write(c *gin.Context, status int, out answer) {
	body, err := jsoniter.ConfigCompatibleWithStandardLibrary.Marshal(out)
	if err != nil {
		a.log.ErrorContext(c.Request.Context(), "write a PromQL answer", "error", err)
		status, body = http.StatusInternalServerError, []byte(`{"status":"error","errorType":"internal","error":"the answer cannot be written"}`)
	}
	c.Data(status, "application/json", body)
}
