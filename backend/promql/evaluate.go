package promql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Query is a query of a program that has the API in its own process.
type Query struct {
	Text     string
	From, To time.Time
	Step     time.Duration // 0 asks at To alone
}

// Evaluate answers a query as the HTTP interface does, its record included. What is wrong
// with the query is a *query.RequestError; what Prometheus' engine ends is of its own types.
func (a *API) Evaluate(ctx context.Context, who access.Principal, q Query) (parser.Value, annotations.Annotations, error) {
	ctx, cancel := context.WithTimeout(ctx, a.limits.Timeout)
	defer cancel()
	params := map[string]string{"query": q.Text}
	if q.Step > 0 {
		params["step"] = q.Step.String()
		if points := int64(q.To.Sub(q.From) / q.Step); points > int64(a.limits.Points) {
			return nil, nil, wrong("step", fmt.Errorf("%s makes %d points of each series, more than %d: take a longer one, or a shorter period", q.Step, points, a.limits.Points))
		}
	}
	if a.records != nil {
		ctx = query.Recorded(ctx)
	}
	// Not closed: the value is the caller's to keep.
	out := a.evaluate(ctx, who, q.Text, lookback, func(ctx context.Context, from storage.Queryable, opts promql.QueryOpts, text string) (promql.Query, error) {
		if q.Step == 0 {
			return a.engine.NewInstantQuery(ctx, from, opts, text, q.To)
		}
		return a.engine.NewRangeQuery(ctx, from, opts, text, q.From, q.To, q.Step)
	})
	if a.records != nil {
		record := query.AuditRecord{Kind: kindQuery, From: q.From, To: q.To, Rows: size(out.value), Params: params}
		if why := a.records.RecordAs(ctx, who, record, out.err); why != nil {
			return nil, nil, why
		}
	}
	var (
		many *tooManySeriesError
		much *tooMuchError
	)
	if errors.As(out.err, &many) || errors.As(out.err, &much) {
		out.err = wrong("query", out.err)
	}
	return out.value, out.warnings, out.err
}

type prepare func(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string) (promql.Query, error)

// evaluated is what came of a query.
type evaluated struct {
	value    parser.Value
	warnings annotations.Annotations
	bad      error // why the query is none; err is so then, too
	err      error
	query    promql.Query
}

// close gives the points of the value back to the pool that they came from, from where the
// next query takes them: nothing may read the value any more.
func (e *evaluated) close() {
	if e.query != nil {
		e.query.Close()
	}
}

// evaluate runs a query in its turn.
func (a *API) evaluate(ctx context.Context, who access.Principal, text string, back time.Duration, prepare prepare) *evaluated {
	expr, err := a.parse(text)
	if err != nil {
		return &evaluated{bad: err, err: wrong("query", err)}
	}
	if err := a.enter(ctx); err != nil {
		return &evaluated{err: err}
	}
	defer a.leave()
	q, err := prepare(ctx, a.queryable(who, expr, back), promql.NewPrometheusQueryOpts(false, back, nil), text)
	if err != nil {
		return &evaluated{bad: err, err: wrong("query", err)}
	}
	res := q.Exec(ctx)
	return &evaluated{value: res.Value, warnings: res.Warnings, err: res.Err, query: q}
}

// parse checks a query's text and parses it.
func (a *API) parse(text string) (parser.Expr, error) {
	if err := a.checkText(text); err != nil {
		return nil, err
	}
	return a.parser.ParseExpr(text)
}

func hasSubquery(e parser.Expr) bool {
	found := false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		_, sub := n.(*parser.SubqueryExpr)
		found = found || sub
		return nil
	})
	return found
}
