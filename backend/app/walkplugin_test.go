package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/engine"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/datasource/pkg/plugin"
)

// grafanaRoles are callers as Grafana has them: what its role says here is what their key
// says elsewhere.
var grafanaRoles = []struct{ tenant, caller, login, role string }{
	{acme, "admin", "grafana", "Admin"},
	{acme, "mona", mark("mona", "user"), "Editor"},
	{acme, "ann", mark("ann", "user"), "Viewer"},
	{other, "other's admin", "grafana", "Admin"},
}

// pluginAsk is a query of a panel.
type pluginAsk struct {
	ask
	query backend.DataQuery
}

// plugin walks what Grafana's plugin answers.
func (w *walk) plugin() {
	w.t.Helper()
	at, err := engine.Running(filepath.Join(w.dir, "clickhouse"))
	require.NoError(w.t, err)
	asks := w.pluginAsks()
	for i, who := range grafanaRoles {
		settings, err := json.Marshal(map[string]any{
			"host": at.Host, "port": at.TCPPort, "database": at.Database, "username": at.Reader.Name, "tenant": who.tenant,
			"adminScope": "all", "editorScope": "directory", "viewerScope": "own",
		})
		require.NoError(w.t, err)
		instance := backend.DataSourceInstanceSettings{
			UID: who.tenant, JSONData: settings, DecryptedSecureJSONData: map[string]string{"password": at.Reader.Password, "pseudonymKey": strings.Repeat("k", 40)},
		}
		made, err := plugin.New(w.t.Context(), instance)
		require.NoError(w.t, err)
		ds := made.(*plugin.Datasource)
		by := w.as(who.caller)
		pc := backend.PluginContext{User: &backend.User{Login: who.login, Role: who.role}, DataSourceInstanceSettings: &instance}
		var queries []backend.DataQuery
		for n, a := range asks {
			// One who sees everything notices each; of the others each asks some.
			if *walkAll || who.role == "Admin" || strings.Contains(a.name, "kind") || n%3 == i%3 {
				a.query.RefID = fmt.Sprint("Q", n)
				queries = append(queries, a.query)
			}
		}
		answers, err := ds.QueryData(w.t.Context(), &backend.QueryDataRequest{PluginContext: pc, Queries: queries})
		require.NoError(w.t, err)
		for n, a := range asks {
			if answer, ok := answers.Responses[fmt.Sprint("Q", n)]; ok {
				w.check(by, a.ask, http.StatusOK, framesText(w.t, answer))
			}
		}
		for _, path := range []string{"catalogue", "granularities", "nothing"} {
			w.resource(ds, pc, by, "plugin "+path, path, nil)
		}
		for _, label := range []string{"workflow", "user"} {
			w.resource(ds, pc, by, "plugin label "+label, "prometheus/api/v1/label/"+label+"/values", nil)
		}
		for _, d := range dimensionsToTry() {
			for _, search := range []string{"", "zz"} {
				from, to := w.period(d == metric.EventSource)
				w.resource(ds, pc, by, "plugin values by "+d, "values", url.Values{"dimension": {d}, "from": {from}, "to": {to}, "search": {search}})
			}
		}
		ds.Dispose()
	}
}

// pluginAsks are queries of all kinds, in all of their formats.
func (w *walk) pluginAsks() []pluginAsk {
	w.t.Helper()
	from, err := time.Parse(time.RFC3339, w.from)
	require.NoError(w.t, err)
	var out []pluginAsk
	add := func(name string, received bool, model map[string]any) {
		period := backend.TimeRange{From: from, To: from.AddDate(0, 0, 1)}
		if received {
			period = backend.TimeRange{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}
		}
		text, err := json.Marshal(model)
		require.NoError(w.t, err)
		out = append(out, pluginAsk{
			ask{name: "plugin " + name, body: string(text)},
			backend.DataQuery{JSON: text, TimeRange: period, Interval: time.Hour, MaxDataPoints: 24},
		})
	}
	tried := map[string]bool{}
	for _, group := range alike() {
		m, _ := metric.Lookup(group[0])
		for _, d := range dimensionsToTry() {
			if name := string(m.Sources[0]) + d; m.HasDimension(d) && !tried[name] {
				tried[name] = true
				late := slices.Contains(received, m.Sources[0])
				add("figures by "+d, late, map[string]any{"metrics": group[:1], "groupBy": []string{d}, "format": "table"})
				add("figures filtered by "+d, late, map[string]any{"metrics": group[:1], "groupBy": besides(m, d), "filters": []any{map[string]any{"dimension": d, "operator": "in", "values": valuesOf(d)}}})
			}
		}
	}
	formats := map[query.Kind][]string{
		query.KindErrors: {"table", "logs"}, query.KindSessions: {"table", "logs"}, query.KindAuditTrail: {"table", "logs"},
		query.KindWaterfall: {"table", "trace", "nodegraph"},
	}
	for _, k := range query.Kinds() {
		if k.Kind == query.KindMetrics {
			continue
		}
		for i, model := range w.kindly(k) {
			model = maps.Clone(model)
			model["queryType"] = model["kind"]
			delete(model, "kind")
			if of := formats[k.Kind]; of != nil {
				model["format"] = of[i%len(of)]
			}
			add("kind "+string(k.Kind), false, model)
		}
	}
	for _, expr := range []string{
		`{__name__=~"flowgauge_(user_)?(executions|cost_dollars_charged|actions)_total"}`, `sum by (user, workflow) (flowgauge_user_executions_total)`,
		`flowgauge_user_executions_total{user=~"` + strings.Join(valuesOf(metric.User), "|") + `"}`,
	} {
		for _, format := range []string{"table", "timeseries"} {
			add("kind promql", false, map[string]any{"queryType": "promql", "expr": expr, "format": format})
		}
	}
	return out
}

func framesText(t testing.TB, answer backend.DataResponse) []byte {
	var out bytes.Buffer
	if answer.Error != nil {
		out.WriteString(answer.Error.Error())
	}
	for _, f := range answer.Frames {
		text, err := data.FrameToJSON(f, data.IncludeAll)
		require.NoError(t, err)
		out.Write(text)
		arrow, err := f.MarshalArrow()
		require.NoError(t, err)
		out.Write(arrow)
	}
	return out.Bytes()
}

func (w *walk) resource(ds *plugin.Datasource, pc backend.PluginContext, by caller, name, path string, values url.Values) {
	w.t.Helper()
	target := url.URL{Path: path, RawQuery: values.Encode()}
	var status int
	var body []byte
	err := ds.CallResource(w.t.Context(), &backend.CallResourceRequest{PluginContext: pc, Method: http.MethodGet, Path: path, URL: target.String()},
		backend.CallResourceResponseSenderFunc(func(part *backend.CallResourceResponse) error {
			status = max(status, part.Status)
			body = append(body, part.Body...)
			return nil
		}))
	require.NoError(w.t, err)
	w.check(by, ask{name: name, path: target.String()}, status, body)
}
