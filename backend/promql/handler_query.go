package promql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// query answers at one time.
func (a *API) query(c *gin.Context) {
	at, err := parseTime(c.Request, "time", a.now())
	if err != nil {
		a.badData(c, err)
		return
	}
	a.run(c, at, at, func(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string) (promql.Query, error) {
		return a.engine.NewInstantQuery(ctx, q, opts, text, at)
	})
}

// queryRange answers at several.
func (a *API) queryRange(c *gin.Context) {
	start, err := parseTime(c.Request, "start", time.Time{})
	if err != nil {
		a.badData(c, err)
		return
	}
	end, err := parseTime(c.Request, "end", time.Time{})
	if err != nil {
		a.badData(c, err)
		return
	}
	if end.Before(start) {
		a.badData(c, invalid("end", errors.New("end timestamp must not be before start time")))
		return
	}
	step, err := parseDuration("step", c.Request.FormValue("step"))
	switch {
	case err != nil:
	case step < time.Millisecond:
		err = invalid("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	case int64(end.Sub(start)/step) > int64(a.limits.Points):
		err = fmt.Errorf("exceeded maximum resolution of %s points per timeseries. Try decreasing the query resolution (?step=XX)", thousands(a.limits.Points))
	}
	if err != nil {
		a.badData(c, err)
		return
	}
	a.run(c, start, end, func(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string) (promql.Query, error) {
		return a.engine.NewRangeQuery(ctx, q, opts, text, start, end, step)
	})
}

// thousands writes a number as Prometheus writes 11,000.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

type prepare func(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string) (promql.Query, error)

// run answers a query that prepare makes, and keeps a record of it.
func (a *API) run(c *gin.Context, from, to time.Time, prepare prepare) {
	r := c.Request
	limit, err := parseLimit(r)
	if err != nil {
		a.badData(c, err)
		return
	}
	ctx, timeout, back := r.Context(), a.limits.Timeout, lookback
	for _, p := range []struct {
		name string
		to   *time.Duration
		most time.Duration
	}{{"timeout", &timeout, a.limits.Timeout}, {"lookback_delta", &back, 24 * time.Hour}} {
		if s := r.FormValue(p.name); s != "" {
			d, err := parseDuration(p.name, s)
			if err == nil && d <= 0 {
				err = invalid(p.name, fmt.Errorf("%q is not a positive duration", s))
			}
			if err != nil {
				a.badData(c, err)
				return
			}
			*p.to = min(d, p.most)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	text := r.FormValue("query")
	res, warnings, bad, err := a.evaluate(ctx, c, text, back, prepare)
	if why := a.record(c, kindQuery, from, to, size(res), err); why != nil {
		a.refuse(c, why, nil)
		return
	}
	switch {
	case bad != nil:
		a.badData(c, invalid("query", bad))
	case err != nil:
		a.refuse(c, err, warnings)
	default:
		if value, cut := truncated(res, limit); cut {
			res = value
			warnings = warnings.Add(errTruncated)
		}
		a.succeed(c, &result{res}, warnings)
	}
}

// evaluate runs a query in its turn. bad is why the query is none; err is so then, too.
func (a *API) evaluate(ctx context.Context, c *gin.Context, text string, back time.Duration, prepare prepare) (_ parser.Value, _ annotations.Annotations, bad, err error) {
	expr, err := a.parse(text)
	if err != nil {
		return nil, nil, err, wrong("query", err)
	}
	if err := a.enter(c); err != nil {
		return nil, nil, nil, err
	}
	defer a.leave()
	q, err := prepare(ctx, a.queryable(principal(c), expr, back), promql.NewPrometheusQueryOpts(false, back, nil), text)
	if err != nil {
		return nil, nil, err, wrong("query", err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	return res.Value, res.Warnings, nil, res.Err
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

// truncated cuts an answer to a number of series; 0 is all.
func truncated(v parser.Value, limit int) (parser.Value, bool) {
	if limit == 0 {
		return v, false
	}
	switch v := v.(type) {
	case promql.Matrix:
		return v[:min(limit, len(v))], len(v) > limit
	case promql.Vector:
		return v[:min(limit, len(v))], len(v) > limit
	}
	return v, false
}
