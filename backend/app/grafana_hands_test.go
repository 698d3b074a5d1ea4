package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// Somebody at mouse and keyboard makes panels, variables, annotations and alert rules in a
// real Grafana, and gets the figures that the API has.
func TestGrafanaByHand(t *testing.T) {
	if os.Getenv("GRAFANA_HOME") == "" {
		t.Skip("GRAFANA_HOME is not set: the test of the plugin by hand is left out")
	}
	browser := newBrowser(t)
	s, grafana := upGrafana(t, builtPlugin(t), "--grafana-sql")
	s.simulate("26h")
	s.settle()
	b := &handmade{server: s, browser: browser, grafana: grafana}
	for _, step := range []struct {
		name string
		take func(*testing.T)
	}{
		{"a query from nothing", b.makePanel},
		{"variables", b.makeVariables},
		{"annotations", b.makeAnnotations},
		{"explore", b.explore},
	} {
		t.Run(step.name, step.take)
	}
}

// handmade is a dashboard that somebody makes.
type handmade struct {
	*server
	browser context.Context
	grafana string

	path    string         // once it is saved
	query   map[string]any // its panel's
	trigger string         // what that is filtered by
}

func field(name string) at { return test("flowgauge-query-"+name, "input") }

func (b *handmade) makePanel(t *testing.T) {
	h := hands{visit(t, b.browser, b.grafana+"/dashboard/new", 1600, 1100)}
	b.trigger = b.top(t, "executions_failed", "trigger_type", "[]", 1)[0]
	h.press(saying("Add visualization"))
	h.press(by(`input[placeholder="Search data source"]`))
	h.keys("flowg")
	h.screenshot("hands-datasource", 1100)
	h.press(sayingIn(`[role="dialog"]`, "Flowgauge"))
	h.awaitQuery(map[string]any{"queryType": "metrics", "metrics": []string{"executions"}})
	h.screenshot("hands-fresh", 1100)

	h.pick(field("metrics"), "Failed executions")
	h.close()
	h.press(by(`[aria-label="Remove Executions"]`))
	h.awaitQuery(map[string]any{"metrics": []string{"executions_failed"}})
	h.pick(field("group-by"), "Workflow")
	h.press(saying("Add filter"))
	h.pick(field("filter-dimension"), "Trigger type")
	h.pick(field("filter-values"), b.trigger)
	h.screenshot("hands-values", 1100)
	h.close()
	h.pick(field("granularity"), "Hour")
	b.query = map[string]any{
		"queryType": "metrics", "metrics": []string{"executions_failed"}, "groupBy": []string{"workflow"}, "granularity": "hour",
		"filters": []any{isOneOf("trigger_type", b.trigger)},
	}
	b.requireDrawn(h, b.query)
	h.screenshot("hands-built", 1100)

	t.Log("the generated request is what is sent")
	h.press(saying("Generated request"))
	var text string
	h.await(`document.querySelector('[data-testid="flowgauge-query-request"]') !== null`)
	h.eval(`document.querySelector('[data-testid="flowgauge-query-request"]').innerText`, &text)
	var shown map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &shown))
	require.True(t, has(t, shown, b.query), text)
	h.screenshot("hands-request", 1400)

	t.Log("other languages, and back")
	const promql, sql = `sum by (workflow) (flowgauge_executions_total)`, `SELECT workflow_id, count() AS n FROM executions WHERE $__timeFilter(time) GROUP BY workflow_id`
	h.pick(field("kind"), "PromQL")
	h.press(test("flowgauge-query-expr", ".view-lines"))
	h.keys(promql)
	h.screenshot("hands-promql-typing", 1100)
	h.press(saying("Generated request"))
	h.awaitQuery(map[string]any{"queryType": "promql", "expr": promql})
	h.screenshot("hands-promql", 1100)
	h.pick(field("kind"), "SQL")
	h.press(sayingIn(`[data-testid="flowgauge-query-format"]`, "Table"))
	h.press(test("flowgauge-query-expr", ".view-lines"))
	h.keys(sql)
	h.press(saying("Generated request"))
	h.awaitQuery(map[string]any{"queryType": "sql", "expr": sql})
	h.screenshot("hands-sql", 1100)
	h.pick(field("kind"), "PromQL")
	h.awaitQuery(map[string]any{"queryType": "promql", "expr": promql})
	h.pick(field("kind"), "Metrics")
	b.requireDrawn(h, b.query)

	t.Log("it is saved and loaded as it was made")
	h.press(by(`[data-testid="data-testid Apply changes and go back to dashboard"]`))
	h.press(by(`[aria-label="Save dashboard"]`))
	h.write(by(`[aria-label="Save dashboard title field"]`), "Made by hand")
	h.press(by(`[aria-label="Save dashboard button"]`))
	h.await(`location.pathname.startsWith('/d/')`)
	h.eval(`location.pathname`, &b.path)
	h = hands{visit(t, b.browser, b.grafana+b.path, 1600, 900)}
	b.requireDrawn(h, b.query)
	h.screenshot("hands-saved", 900)
	narrow := hands{visit(t, b.browser, b.grafana+b.path, 400, 900)}
	b.requireDrawn(narrow, b.query)
	narrow.screenshot("hands-saved-400", 900)
}

func isOneOf(dimension string, values ...string) any {
	return map[string]any{"dimension": dimension, "operator": "in", "values": values}
}

// settings opens a part of the dashboard's settings.
func (b *handmade) settings(t *testing.T, part string) hands {
	t.Helper()
	h := hands{visit(t, b.browser, b.grafana+b.path+"?from=now-24h&to=now", 1600, 1100)} // incidents and the like are rare
	h.awaitQuiet()
	h.press(by(`[aria-label="Dashboard settings"]`))
	h.press(saying(part))
	return h
}

const (
	variableName  = `[data-testid="data-testid Variable editor Form Name field"]`
	closeSettings = `[data-testid="data-testid dashboard-settings-close"]`
)

// preview waits until the values that a variable would have are those.
func (h hands) preview(want []string) {
	h.t.Helper()
	var got []string
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		h.eval(`[...document.querySelectorAll('[aria-label="Variable editor Preview of Values option"]')].map((o) => o.innerText.trim())`, &got)
		if len(got) > 0 && slices.Equal(got, want[:min(len(want), len(got))]) && (len(got) == len(want) || len(got) == 20) {
			return
		}
		if time.Now().After(end) {
			h.screenshot("preview-"+fileName(h.t), 1100)
			h.t.Fatalf("the preview has %q and not %q", got, want)
		}
	}
}

func (b *handmade) makeVariables(t *testing.T) {
	h := b.settings(t, "Variables")
	h.press(saying("Add variable"))
	h.write(by(variableName), "workflow")
	h.source()
	h.pick(test("flowgauge-variable-dimension", "input"), "Workflow")
	h.preview(b.values(t, "workflow"))
	h.press(saying("Multi-value"))
	h.screenshot("hands-variable", 1500)
	h.press(saying("Apply"))
	first := b.values(t, "workflow")[0]

	h.press(saying("New variable"))
	h.write(by(variableName), "step")
	h.source()
	h.pick(test("flowgauge-variable-dimension", "input"), "Step")
	h.press(saying("Add filter"))
	h.pick(field("filter-dimension"), "Workflow")
	h.pick(field("filter-values"), "$workflow")
	h.close()
	h.preview(b.values(t, "step", first))
	h.screenshot("hands-variable-chained", 1500)
	h.press(saying("Apply"))

	h.press(saying("New variable"))
	h.pick(by(`[data-testid="data-testid Variable editor Form Type select"] input, input[aria-label="Select variable type"]`), "Ad hoc filters")
	h.write(by(variableName), "also")
	h.source()
	h.await(`document.body.innerText.includes('applied automatically')`)
	h.screenshot("hands-variable-adhoc", 1500)
	h.press(saying("Apply"))
	h.await(`document.querySelector('[aria-label="Variable editor Table"]') !== null`)
	h.await(`document.querySelector('[aria-label="Variable editor Table"]').innerText.includes('step [workflow is one of $workflow]')`)
	h.screenshot("hands-variables", 900)
	h.press(by(closeSettings))

	t.Log("the panel is filtered by the variable")
	h.point(saying("Panel Title"))
	h.keys("e")
	h.press(saying("Add filter"))
	h.pick(at(string(field("filter-dimension"))+".slice(1)"), "Workflow")
	h.pick(at(string(field("filter-values"))+".slice(1)"), "$workflow")
	h.close()
	b.query["filters"] = []any{isOneOf("trigger_type", b.trigger), isOneOf("workflow", first)}
	h.awaitQuery(b.query)
	h.screenshot("hands-filtered", 1100)
	h.press(by(`[data-testid="data-testid Apply changes and go back to dashboard"]`))

	t.Log("and follows what is chosen")
	filter, err := json.Marshal([]any{isOneOf("trigger_type", b.trigger)})
	require.NoError(t, err)
	chosen := b.top(t, "executions_failed", "workflow", string(filter), 2)
	h.press(by("#var-workflow"))
	for _, name := range append([]string{first}, chosen...) { // the first is taken out
		h.press(test("data-testid Dashboard template variables Variable Value DropDown option text "+name, ""))
	}
	h.screenshot("hands-choice", 900)
	h.press(by(`[class*="panel-content"]`))
	b.query["filters"] = []any{isOneOf("trigger_type", b.trigger), isOneOf("workflow", chosen...)}
	b.requireDrawn(h, b.query)
	steps := b.values(t, "step", chosen...)
	h.press(by("#var-step"))
	list, err := json.Marshal(steps)
	require.NoError(t, err)
	h.await(fmt.Sprintf(`[...document.querySelectorAll('[data-testid^="data-testid Dashboard template variables Variable Value DropDown option text "]')].map((o) => o.innerText.trim()).join() === %s.join()`, list))
	h.screenshot("hands-steps", 900)
	h.keys(kb.Escape)

	b.save(h)

	t.Log("a filter of one's own is added to it")
	h.press(by(`[aria-label="Add Filter"]`))
	h.choose("workflow")
	h.press(saying("Select value"))
	h.choose(chosen[1])
	b.query["filters"] = append(b.query["filters"].([]any), isOneOf("workflow", chosen[1]))
	b.requireDrawn(h, b.query)
	h.screenshot("hands-adhoc", 900)
}

// save saves the dashboard with what is chosen.
func (b *handmade) save(h hands) {
	h.t.Helper()
	h.press(by(`[aria-label="Save dashboard"]`))
	h.press(by(`[aria-label="Dashboard settings Save Dashboard Modal Save button"]`))
	h.await(`document.querySelector('[role="dialog"]') === null`)
	h.requireNoProblems()
}

// values are what the API lists of the period that Grafana takes for variables that are read once.
func (b *handmade) values(t *testing.T, dimension string, workflows ...string) []string {
	t.Helper()
	now := time.Now().UTC()
	query := url.Values{"from": {now.Add(-6 * time.Hour).Format(time.RFC3339)}, "to": {now.Format(time.RFC3339)}}
	if len(workflows) > 0 {
		query["workflow"] = workflows
	}
	status, body := b.call(http.MethodGet, "/api/v1/analytics/values/"+dimension+"?"+query.Encode(), "", nil)
	require.Equal(t, http.StatusOK, status, "%s", body)
	var answer struct{ Data []string }
	require.NoError(t, json.Unmarshal(body, &answer))
	require.NotEmpty(t, answer.Data)
	return answer.Data
}

func (b *handmade) makeAnnotations(t *testing.T) {
	now := time.Now().UTC()
	status, body := b.call(http.MethodPut, "/api/v1/analytics/costs/budgets", "application/json", strings.NewReader(fmt.Sprintf(
		`{"id":"by-hand","name":"By hand","owner":"ana","of":"dollars","amount":"1","period":{"unit":"day","start":%q},"thresholds":[{"percent":50}]}`, now.Add(-48*time.Hour).Format(time.DateOnly))))
	require.Less(t, status, 300, "%s", body)
	var events strings.Builder
	for i := range 400 { // half of a version on the day before, and half of another that fail: they come late, too
		at, version, outcome := now.Add(-25*time.Hour), 1, "completed"
		if i%2 == 1 {
			at, version, outcome = now.Add(-2*time.Hour), 2, "failed"
		}
		fmt.Fprintf(&events, `{"kind":"execution","id":"by-hand-%d","timestamp":%q,"workflowId":"payroll","workflowVersion":%d,"triggerType":"schedule","status":%q,"duration":10}`+"\n", i, at.Format(time.RFC3339Nano), version, outcome)
	}
	status, body = b.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(events.String()))
	require.Equal(t, http.StatusAccepted, status, "%s", body)
	b.settle()
	h := b.settings(t, "Annotations")
	h.press(saying("Add annotation query"))
	for i, of := range []string{"Incidents", "Budget crossings", "Late data", "Version changes"} {
		if i > 0 {
			h.press(saying("New query"))
		}
		h.write(by("#name"), of)
		h.source()
		h.pick(field("kind"), "Annotations")
		h.press(sayingIn(`[data-testid="flowgauge-query-format"]`, "Annotations"))
		if i < 3 {
			h.pick(field("param-of"), of)
		}
		h.press(saying("TEST"))
		h.awaitQuery(map[string]any{"queryType": "annotations", "format": "annotations"})
		h.screenshot("hands-annotation-"+strings.ReplaceAll(of, " ", "-"), 1500)
		h.await(`/\d+ events \(from/.test(document.body.innerText)`)
		h.press(saying("Apply"))
	}
	h.press(by(closeSettings))
	h.press(by(`[aria-label="Refresh dashboard"]`))
	h.await(`document.querySelector('[data-testid="data-testid annotation-marker"]') !== null`)
	h.screenshot("hands-annotated", 900)
	h.requireNoProblems()
	b.save(h)
}

func (b *handmade) explore(t *testing.T) {
	h := hands{visit(t, b.browser, b.grafana+b.path, 1600, 1100)}
	h.awaitQuiet()
	h.press(by(`[aria-label="Toggle menu"]`))
	h.press(saying("Explore"))
	h.await(`location.pathname === '/explore'`)
	h.source()
	h.awaitQuery(map[string]any{"queryType": "metrics", "metrics": []string{"executions"}})
	h.screenshot("hands-explore-fresh", 1100)
	h.pick(field("group-by"), "Workflow")
	h.pick(field("granularity"), "15 minutes")
	h.press(saying("Run query"))
	b.requireDrawn(h, map[string]any{"queryType": "metrics", "metrics": []string{"executions"}, "groupBy": []string{"workflow"}, "granularity": "15m"})
	h.screenshot("hands-explore", 1100)
	h.pick(field("kind"), "Error groups")
	h.press(sayingIn(`[data-testid="flowgauge-query-format"]`, "Logs"))
	h.awaitQuery(map[string]any{"queryType": "errors", "format": "logs"})
	h.await(`document.querySelectorAll('[class*="logs-row"]').length > 0`)
	h.screenshot("hands-explore-logs", 1100)
	h.requireNoProblems()
}

// top are the values of a dimension with the most of a metric in the last hours.
func (b *handmade) top(t *testing.T, metric, dimension, filters string, n int) (values []string) {
	t.Helper()
	now := time.Now().UTC()
	rows := b.ask(fmt.Sprintf(`{"metrics":[%q],"groupBy":[%q],"filters":%s,"limit":%d,"from":%q,"to":%q}`, metric, dimension, filters, n, now.Add(-6*time.Hour).Format(time.RFC3339), now.Format(time.RFC3339)))
	require.Len(t, rows, n)
	for _, r := range rows {
		values = append(values, r.text(dimension))
	}
	return values
}

// requireDrawn waits until a panel has asked a query of metrics by workflow, and compares what it draws
// with what the API says.
func (b *handmade) requireDrawn(h hands, query map[string]any) {
	h.t.Helper()
	sent := h.awaitQuery(query)
	ms := func(text string) string {
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(h.t, err)
		return time.UnixMilli(n).UTC().Format(time.RFC3339Nano)
	}
	filters, err := json.Marshal(sent.Queries[0]["filters"])
	require.NoError(h.t, err)
	metric := sent.Queries[0]["metrics"].([]any)[0].(string)
	want := map[string]float64{}
	for _, r := range b.ask(fmt.Sprintf(`{"metrics":[%q],"groupBy":["workflow"],"filters":%s,"limit":10,"from":%q,"to":%q}`, metric, filters, ms(sent.From), ms(sent.To))) {
		n, err := r[metric].(json.Number).Float64()
		require.NoError(h.t, err)
		if n > 0 {
			want[r.text("workflow")] = n
		}
	}
	require.NotEmpty(h.t, want)
	require.Equal(h.t, want, h.drawn("workflow"))
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		names := slices.Sorted(slices.Values(h.legend()))
		if slices.Equal(names, slices.Sorted(maps.Keys(want))) {
			break
		}
		require.False(h.t, time.Now().After(end), "the legend has %v and not %v", names, want)
	}
	h.requireNoProblems()
}
