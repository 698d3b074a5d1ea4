package promql

import (
	"errors"
	"runtime"
	"strconv"

	"github.com/gin-gonic/gin"
)

// prometheusVersion is the release of the engine, by which Grafana knows what the
// server can do.
const prometheusVersion = "3.16.0"

type described struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// metadata describes metrics.
func (a *API) metadata(c *gin.Context) {
	limits := map[string]int{"limit": -1, "limit_per_metric": -1}
	for name := range limits {
		if s := c.Request.FormValue(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil {
				a.badData(c, errors.New(name+" must be a number"))
				return
			}
			limits[name] = n
		}
	}
	out := map[string][]described{}
	wanted := c.Request.FormValue("metric")
	for i := range families {
		f := &families[i]
		if limits["limit"] >= 0 && len(out) >= limits["limit"] {
			break
		}
		if wanted == "" || wanted == f.name {
			out[f.name] = []described{{string(f.kind), f.help, f.unit}}
		}
	}
	a.succeed(c, out, nil)
}

// buildInfo says which Prometheus answers, and by revision which Flowgauge.
func (a *API) buildInfo(c *gin.Context) {
	a.succeed(c, map[string]string{
		"version": prometheusVersion, "revision": a.version, "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	}, nil)
}

// rules, alerts and exemplars are empty: they are Grafana's, and there are none.
func (a *API) rules(c *gin.Context) { a.succeed(c, map[string]any{"groups": []any{}}, nil) }

func (a *API) alerts(c *gin.Context) { a.succeed(c, map[string]any{"alerts": []any{}}, nil) }

func (a *API) exemplars(c *gin.Context) {
	if _, err := a.parse(c.Request.FormValue("query")); err != nil {
		a.badData(c, err)
		return
	}
	a.succeed(c, []any{}, nil)
}

// formatQuery pretty-prints a query.
func (a *API) formatQuery(c *gin.Context) {
	expr, err := a.parse(c.Request.FormValue("query"))
	if err != nil {
		a.badData(c, invalid("query", err))
		return
	}
	a.succeed(c, expr.Pretty(0), nil)
}
