package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/dashboards"
)

// In a real Grafana every shape of answer is drawn by the panel that it is for, the editors
// open on every kind of query, and a person gets along: settings, Explore, annotations,
// and figures that move by themselves.
func TestGrafanaPlugin(t *testing.T) {
	if os.Getenv("GRAFANA_HOME") == "" {
		t.Skip("GRAFANA_HOME is not set: the test of the plugin in Grafana is left out")
	}
	browser := newBrowser(t)
	s, grafana := upGrafana(t, builtPlugin(t), "--grafana-sql")
	s.simulate("26h")
	s.outage()
	s.settle()
	g := grafanaAPI{t, grafana}
	board := s.shapes(t, false)
	for _, text := range [][]byte{board, s.shapes(t, true)} {
		g.call(http.MethodPost, "/api/dashboards/db", map[string]any{"dashboard": json.RawMessage(text), "overwrite": true}, nil)
	}
	var shapes dashboards.Dashboard
	require.NoError(t, json.Unmarshal(board, &shapes))

	for _, width := range []int64{1600, 400} {
		t.Run(fmt.Sprint("panels ", width), func(t *testing.T) {
			p := visit(t, browser, grafana+"/d/shapes", width, tall)
			p.requireDashboard(shapes, func(string) bool { return false })
			p.screenshot(fmt.Sprint("shapes-", width), p.end())
		})
	}
	t.Run("editors", func(t *testing.T) {
		for _, panel := range shapes.Panels {
			t.Run(panel.Title, func(t *testing.T) {
				p := visit(t, browser, fmt.Sprintf("%s/d/shapes?editPanel=%d", grafana, panel.ID), 1600, 1000)
				p.await(`document.querySelector('[data-testid="flowgauge-query-editor"]') !== null`)
				p.awaitQuiet()
				p.screenshot("editor-"+strings.ReplaceAll(panel.Title, " ", "-"), 1000)
				p.requireNoProblems()
			})
		}
	})
	t.Run("a live panel moves", func(t *testing.T) {
		p := visit(t, browser, grafana+"/d/live", 1600, 900)
		const figure = `(document.querySelector('[data-testid="data-testid Panel header Live executions"]')?.innerText.match(/\d[\d.,]*/)?.[0] ?? '')`
		p.await(figure + ` !== ''`)
		p.await(`document.querySelector('[data-testid="data-testid Panel header Live by quarter"] canvas') !== null`)
		p.screenshot("live", 900)
		var before, now string
		p.eval(figure, &before)
		var events strings.Builder
		for i := range 3000 { // the figure has three digits
			fmt.Fprintf(&events, `{"kind":"execution","id":"moves-%d","timestamp":%q,"workflowId":"payroll","status":"completed","duration":10}`+"\n", i, time.Now().UTC().Format(time.RFC3339Nano))
		}
		status, body := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(events.String()))
		require.Equal(t, http.StatusAccepted, status, "%s", body)
		require.Eventually(t, func() bool { p.eval(figure, &now); return now != before }, 30*time.Second, 200*time.Millisecond)
		t.Logf("from %s to %s", before, now)
		p.requireNoProblems()
	})
	t.Run("explore", func(t *testing.T) {
		left, err := json.Marshal(map[string]any{
			"datasource": "flowgauge", "range": map[string]string{"from": "now-24h", "to": "now"},
			"queries": []any{map[string]any{"refId": "A", "datasource": source, "queryType": "errors", "format": "logs", "version": 2}},
		})
		require.NoError(t, err)
		p := visit(t, browser, grafana+"/explore?left="+url.QueryEscape(string(left)), 1600, 1200)
		p.await(`document.querySelectorAll('[class*="logs-row"]').length > 0`)
		p.screenshot("explore-logs", 1200)
		p.requireNoProblems()
	})
	t.Run("links", func(t *testing.T) {
		id := func(title string) int {
			at := slices.IndexFunc(shapes.Panels, func(p dashboards.Panel) bool { return p.Title == title })
			return shapes.Panels[at].ID
		}
		// followed opens what the first link of a panel like the selector leads to.
		followed := func(panel, selector, text string) *page {
			p := visit(t, browser, fmt.Sprintf("%s/d/shapes?viewPanel=%d", grafana, id(panel)), 1600, 900)
			p.await(fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
			var href, value string
			p.eval(fmt.Sprintf(`document.querySelector(%q).href`, selector), &href)
			p.eval(fmt.Sprintf(`document.querySelector(%q).innerText`, selector), &value)
			require.NotContains(t, href, "${")
			to := visit(t, browser, href, 1600, 1000)
			to.await(fmt.Sprintf(`document.body.innerText.includes(%q)`, strings.ReplaceAll(text, "$value", value)))
			to.awaitQuiet()
			to.screenshot("link-"+strings.ReplaceAll(panel+"-"+text, " ", "-"), 1000)
			to.requireNoProblems()
			return to
		}
		p := followed("Failed executions", `a[href*="/d/flowgauge-workflow?"]`, "$value")
		var search string
		p.eval(`location.search`, &search)
		require.Contains(t, search, "from=now-24h", "the period is kept")
		require.Contains(t, search, "var-datasource=flowgauge", "and the datasource")
		followed("Failed executions", `a[href*="/explore?left="]`, "Service & Operation")
		p = followed("Error groups", `a[href*="/explore?left="]`, "Error message")
		p.eval(`decodeURIComponent(location.search)`, &search)
		require.Contains(t, search, "now-24h")
	})
	t.Run("exemplars", func(t *testing.T) {
		at := slices.IndexFunc(shapes.Panels, func(p dashboards.Panel) bool { return p.Title == "Exemplars" })
		p := visit(t, browser, fmt.Sprintf("%s/d/shapes?viewPanel=%d", grafana, shapes.Panels[at].ID), 1600, 900)
		const marker = `[aria-label="Exemplar marker"], [data-testid*="Exemplar marker"]`
		p.await(fmt.Sprintf(`document.querySelectorAll(%q).length > 3`, marker))
		var ok bool
		p.eval(fmt.Sprintf(`(document.querySelectorAll(%q)[2].dispatchEvent(new MouseEvent('mouseover', {bubbles: true})), true)`, marker), &ok)
		p.eval(fmt.Sprintf(`(document.querySelectorAll(%q)[2].click(), true)`, marker), &ok)
		const link = `a[href*="/explore?left="][href*="waterfall"]`
		p.await(fmt.Sprintf(`document.querySelector(%q) !== null`, link))
		p.screenshot("exemplars", 900)
		p.requireNoProblems()
		var href string
		p.eval(fmt.Sprintf(`document.querySelector(%q).href`, link), &href)
		to := visit(t, browser, href, 1600, 1000)
		to.await(`document.body.innerText.includes('Service & Operation')`)
		to.screenshot("exemplar-followed", 1000)
	})
	t.Run("settings", func(t *testing.T) {
		for name, c := range map[string]struct {
			jsonData map[string]any
			says     string
		}{
			"bad":  {map[string]any{"host": "127.0.0.1", "port": 9}, "Nothing listens at 127.0.0.1:9"},
			"none": {map[string]any{}, "No server is configured"},
		} {
			t.Run(name, func(t *testing.T) {
				var made struct{ Datasource struct{ UID string } }
				grafanaAPI{t, grafana}.call(http.MethodPost, "/api/datasources", map[string]any{"name": name, "type": "flowgauge-analytics-datasource", "access": "proxy", "jsonData": c.jsonData}, &made)
				p := visit(t, browser, grafana+"/datasources/edit/"+made.Datasource.UID, 1200, 1800)
				const button = `[data-testid="data-testid Data source settings page Save and Test button"], [aria-label="Data source settings page Save and Test button"]`
				p.await(fmt.Sprintf(`document.querySelector(%q) !== null`, button))
				var ok bool
				p.eval(fmt.Sprintf(`(document.querySelector(%q).click(), true)`, button), &ok)
				p.await(fmt.Sprintf(`document.body.innerText.includes(%q)`, c.says))
				p.screenshot("settings-"+name, 1800)
			})
		}
		p := visit(t, browser, grafana+"/datasources/edit/flowgauge", 1200, 1800)
		p.await(`document.body.innerText.includes('User for SQL')`)
		p.screenshot("settings", 1800)
	})
	t.Run("library", func(t *testing.T) {
		p := visit(t, browser, grafana+"/datasources/edit/flowgauge/dashboards", 1200, 900)
		all, err := dashboards.Load()
		require.NoError(t, err)
		for _, board := range all {
			p.await(fmt.Sprintf(`[...document.querySelectorAll('tr')].some(row => row.innerText.includes(%q) && row.querySelector('button'))`, board.Title))
		}
		p.screenshot("library", 900)
	})
}

// outage is something unusual.
func (s *server) outage() {
	s.t.Helper()
	var events strings.Builder
	at := time.Now().UTC().Add(-5 * time.Hour)
	for i := range 60 {
		fmt.Fprintf(&events, `{"kind":"execution","id":"outage-%d","timestamp":%q,"workflowId":"payroll","status":"failed","duration":30000,"errorType":"timeout","errorMessage":"no answer from payments"}`+"\n",
			i, at.Add(time.Duration(i)*time.Second).Format(time.RFC3339Nano))
	}
	status, body := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(events.String()))
	require.Equal(s.t, http.StatusAccepted, status, "%s", body)
}

var source = map[string]string{"type": "flowgauge-analytics-datasource", "uid": "flowgauge"}

// shapes is a dashboard with a panel of each shape, or one of live panels.
func (s *server) shapes(t *testing.T, live bool) []byte {
	t.Helper()
	now := time.Now().UTC()
	rows := s.ask(fmt.Sprintf(`{"metrics":["steps"],"groupBy":["execution"],"orderBy":"steps","descending":true,"limit":1,"from":%q,"to":%q}`,
		now.Add(-24*time.Hour).Format(time.RFC3339), now.Format(time.RFC3339)))
	require.Len(t, rows, 1)
	execution := map[string]string{"execution": rows[0].text("execution")}
	type object = map[string]any
	var panels []object
	add := func(kind, title string, query object) {
		n := len(panels)
		query["refId"], query["datasource"], query["version"] = "A", source, 2
		panels = append(panels, object{
			"id": n + 1, "type": kind, "title": title, "datasource": source, "targets": []object{query},
			"gridPos": object{"x": n % 2 * 12, "y": n / 2 * 9, "w": 12, "h": 9},
		})
	}
	if live {
		add("stat", "Live executions", object{"queryType": "metrics", "metrics": []string{"executions"}, "granularity": "none", "format": "table", "live": true})
		add("timeseries", "Live by quarter", object{"queryType": "metrics", "metrics": []string{"executions"}, "granularity": "15m", "groupBy": []string{"trigger_type"}, "live": true})
		return boardOf(t, "live", panels)
	}
	add("timeseries", "PromQL", object{"queryType": "promql", "expr": "sum by (trigger_type) (rate(flowgauge_executions_total[$__rate_interval]))", "format": "timeseries", "alias": "{{trigger_type}}"})
	add("timeseries", "SQL", object{"queryType": "sql", "expr": "SELECT $__timeInterval(time) AS time, trigger_type, count() AS n\nFROM executions\nWHERE $__timeFilter(time)\nGROUP BY time, trigger_type\nORDER BY time", "format": "timeseries"})
	add("heatmap", "Durations", object{"queryType": "durations", "format": "heatmap", "granularity": "hour"})
	add("timeseries", "Forecast", object{"queryType": "forecast", "format": "timeseries", "granularity": "hour", "params": object{"metric": "executions", "history": "24", "horizon": "13"}})
	panels[len(panels)-1]["timeFrom"] = "+12h" // a graph ends with its panel's period
	add("timeseries", "Anomalies", object{"queryType": "anomalies", "format": "timeseries", "granularity": "15m", "params": object{"metric": "executions_failed"}})
	add("traces", "Trace of an execution", object{"queryType": "waterfall", "format": "trace", "params": execution})
	add("nodeGraph", "Steps of an execution", object{"queryType": "waterfall", "format": "nodegraph", "params": execution})
	add("logs", "Errors", object{"queryType": "errors", "format": "logs"})
	add("table", "Ranking", object{"queryType": "ranking", "format": "table"})
	add("table", "Bottlenecks", object{"queryType": "bottlenecks", "format": "table", "filters": []object{{"dimension": "workflow", "operator": "in", "values": []string{s.busiest(t)}}}})
	add("nodeGraph", "Steps of a workflow", object{"queryType": "bottlenecks", "format": "nodegraph", "filters": []object{{"dimension": "workflow", "operator": "in", "values": []string{s.busiest(t)}}}})
	add("timeseries", "Exemplars", object{"queryType": "metrics", "metrics": []string{"duration_p95"}, "granularity": "hour", "format": "timeseries", "exemplar": true})
	add("table", "Failed executions", object{"queryType": "executions", "format": "table", "limit": 20, "params": object{"status": "failed"}})
	add("table", "Error groups", object{"queryType": "errors", "format": "table", "limit": 20})
	add("table", "Sessions", object{"queryType": "sessions", "format": "table", "limit": 20})
	return boardOf(t, "shapes", panels)
}

func boardOf(t *testing.T, uid string, panels []map[string]any) []byte {
	t.Helper()
	type object = map[string]any
	text, err := json.Marshal(object{
		"uid": uid, "title": "Test of " + uid, "schemaVersion": 38, "panels": panels, "time": object{"from": "now-24h", "to": "now"},
		"annotations": object{"list": []object{{
			"name": "Incidents", "enable": true, "iconColor": "red", "datasource": source,
			"target": object{"refId": "Anno", "queryType": "annotations", "format": "annotations", "version": 2, "datasource": source},
		}}},
	})
	require.NoError(t, err)
	return text
}

// busiest is the workflow with the most executions of a day.
func (s *server) busiest(t *testing.T) string {
	t.Helper()
	now := time.Now().UTC()
	rows := s.ask(fmt.Sprintf(`{"metrics":["executions"],"groupBy":["workflow"],"limit":1,"from":%q,"to":%q}`, now.Add(-24*time.Hour).Format(time.RFC3339), now.Format(time.RFC3339)))
	require.Len(t, rows, 1)
	return rows[0].text("workflow")
}

// await waits until an expression of the page's is true.
func (p *page) await(expression string) {
	p.t.Helper()
	var yes bool
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if p.eval(expression, &yes); yes {
			return
		}
		if time.Now().After(end) {
			p.screenshot("await-"+strings.ReplaceAll(p.t.Name(), "/", "-"), 1200)
			var text string
			p.eval(`document.body.innerText`, &text)
			p.t.Fatalf("within a minute it is not so that %s; the page says:\n%.2000s", expression, text)
		}
	}
}

// awaitQuiet waits until a query was answered and nothing more is on its way.
func (p *page) awaitQuiet() {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); !p.quiet(1); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			p.screenshot("unquiet-"+strings.ReplaceAll(p.t.Name(), "/", "-"), 1000)
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, r := range p.open {
				p.t.Log("no answer to", r.Method, r.URL)
			}
			p.t.Fatalf("after a minute %d queries are answered; %v", p.queries, p.problems)
		}
	}
}

func (p *page) requireNoProblems() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Empty(p.t, p.problems)
}

// Two people of one Grafana see what is theirs, by the rules of the datasource, whatever
// they ask and however.
func TestGrafanaIdentity(t *testing.T) {
	if os.Getenv("GRAFANA_HOME") == "" {
		t.Skip("GRAFANA_HOME is not set: the test of Grafana's users is left out")
	}
	s, grafana := upGrafana(t, builtPlugin(t), "--grafana-sql")
	now := time.Now().UTC()
	var events strings.Builder
	for i, user := range []string{"ann", "ann", "ann", "bob", "bob", "bob"} {
		fmt.Fprintf(&events, `{"kind":"execution","id":"of-%d","timestamp":%q,"workflowId":"payroll-%s","userId":%q,"status":"completed","duration":10}`+"\n", i, now.Add(-40*time.Minute).Format(time.RFC3339Nano), user, user)
	}
	status, body := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(events.String()))
	require.Equal(t, http.StatusAccepted, status, "%s", body)
	s.settle()

	admin := grafanaAPI{t, strings.Replace(grafana, "://", "://admin:admin@", 1)}
	var scoped struct{ Datasource struct{ UID string } }
	var provisioned map[string]any
	admin.call(http.MethodGet, "/api/datasources/uid/flowgauge", nil, &provisioned)
	settings := provisioned["jsonData"].(map[string]any)
	settings["viewerScope"] = "own"
	text, err := os.ReadFile(filepath.Join(s.dir, "clickhouse", "config", "credentials.json"))
	require.NoError(t, err)
	var passwords map[string]string
	require.NoError(t, json.Unmarshal(text, &passwords))
	secrets := map[string]string{"password": passwords["reader_password"], "sqlPassword": passwords["sql_password"]}
	admin.call(http.MethodPost, "/api/datasources", map[string]any{
		"name": "scoped", "type": "flowgauge-analytics-datasource", "access": "proxy", "jsonData": settings, "secureJsonData": secrets,
	}, &scoped)
	as := map[string]grafanaAPI{"admin": admin}
	for _, login := range []string{"ann", "bob"} {
		admin.call(http.MethodPost, "/api/admin/users", map[string]string{"login": login, "email": login + "@example.com", "name": login, "password": "a long secret"}, nil)
		as[login] = grafanaAPI{t, strings.Replace(grafana, "://", "://"+login+":a%20long%20secret@", 1)}
	}
	ask := func(who string, query map[string]any) string {
		query["refId"], query["datasource"] = "A", map[string]string{"uid": scoped.Datasource.UID, "type": "flowgauge-analytics-datasource"}
		g := as[who]
		return g.raw(http.MethodPost, "/api/ds/query", map[string]any{"from": strconv.FormatInt(now.Add(-2*time.Hour).UnixMilli(), 10), "to": strconv.FormatInt(now.Add(time.Minute).UnixMilli(), 10), "queries": []any{query}})
	}
	for who, want := range map[string][]string{"ann": {"payroll-ann"}, "bob": {"payroll-bob"}, "admin": {"payroll-ann", "payroll-bob"}} {
		for name, query := range map[string]map[string]any{
			"metrics": {"queryType": "metrics", "metrics": []string{"executions"}, "groupBy": []string{"workflow"}, "granularity": "none", "format": "table"},
			"promql":  {"queryType": "promql", "expr": "sum by (workflow) (flowgauge_executions_total)", "format": "table"},
			"series":  {"queryType": "metrics", "metrics": []string{"executions"}, "groupBy": []string{"workflow", "user"}, "granularity": "15m", "format": "timeseries"},
		} {
			answer := ask(who, query)
			for _, workflow := range []string{"payroll-ann", "payroll-bob"} {
				require.Equal(t, slices.Contains(want, workflow), strings.Contains(answer, workflow), "%s asks %s: %s", who, name, answer)
			}
		}
		values := as[who].raw(http.MethodGet, "/api/datasources/uid/"+scoped.Datasource.UID+"/resources/values?dimension=workflow", nil)
		require.Equal(t, len(want), strings.Count(values, "payroll"), "%s: %s", who, values)
	}
	sql := map[string]any{"queryType": "sql", "expr": "SELECT workflow_id FROM executions", "format": "table"}
	require.Contains(t, ask("ann", sql), "who see all data of the tenant")
	require.Contains(t, ask("admin", sql), "payroll-bob")
}
