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
	out := a.evaluate(ctx, principal(c), text, back, prepare)
	defer out.close() // when it is written
	if why := a.record(c, kindQuery, from, to, size(out.value), out.err); why != nil {
		a.refuse(c, why, nil)
		return
	}
	switch {
	case out.bad != nil:
		a.badData(c, invalid("query", out.bad))
	case out.err != nil:
		a.refuse(c, out.err, out.warnings)
	default:
		value, warnings := out.value, out.warnings
		if first, cut := truncated(value, limit); cut {
			value, warnings = first, warnings.Add(errTruncated)
		}
		a.succeed(c, &result{value}, warnings)
	}
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
