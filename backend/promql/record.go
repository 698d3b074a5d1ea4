package promql

import (
	"context"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Recorder keeps a record of who read what; query.Engine is one.
type Recorder interface {
	RecordAs(ctx context.Context, p access.Principal, r query.AuditRecord, err error) error
}

// What the requests are in records.
const (
	kindQuery  query.Kind = "promql"
	kindSeries query.Kind = "promql_series"
	kindLabels query.Kind = "promql_labels"
)

// recorded are the parameters that a record repeats, as they were written: where a policy
// has pseudonyms, who asks has written pseudonyms.
var recorded = []string{"query", "time", "start", "end", "step", "match[]"}

// record keeps the record of a request, one for all of its selectors. An error withholds
// the answer.
func (a *API) record(c *gin.Context, kind query.Kind, from, to time.Time, rows int, err error) error {
	if a.records == nil {
		return nil
	}
	r := query.AuditRecord{Kind: kind, From: from, To: to, Rows: rows, Params: map[string]string{}}
	for _, name := range recorded {
		if values := c.Request.Form[name]; len(values) > 0 {
			r.Params[name] = strings.Join(values, " ")
		}
	}
	if label := c.Param("name"); label != "" {
		r.Params["label"] = label
	}
	return a.records.RecordAs(c.Request.Context(), principal(c), r, err)
}

// wrong makes an error that is the caller's one that a record calls so.
func wrong(parameter string, err error) error {
	return &query.RequestError{Param: parameter, Message: err.Error()}
}

// size counts the series of a result.
func size(v parser.Value) int {
	switch v := v.(type) {
	case promql.Matrix:
		return len(v)
	case promql.Vector:
		return len(v)
	case nil:
		return 0
	}
	return 1
}
