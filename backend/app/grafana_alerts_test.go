package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In a real Grafana every provisioned rule can be evaluated, and a failing workflow
// reaches a webhook within a minute.
func TestGrafanaAlerts(t *testing.T) {
	if os.Getenv("GRAFANA_HOME") == "" {
		t.Skip("GRAFANA_HOME is not set: the test of alerts in Grafana is left out")
	}
	notices := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		notices <- string(body)
	}))
	t.Cleanup(receiver.Close)
	t.Setenv("FLOWGAUGE_ALERT_WEBHOOK_URL", receiver.URL)
	s, url := upGrafana(t, builtPlugin(t))
	t.Cleanup(func() {
		if log, err := os.ReadFile(filepath.Join(s.dir, "grafana", "grafana.log")); err == nil && t.Failed() {
			for line := range strings.Lines(string(log)) {
				if strings.Contains(line, "level=error") || strings.Contains(line, "level=warn") {
					t.Log(strings.TrimSpace(line))
				}
			}
		}
	})
	g := grafanaAPI{t, url}

	var provisioned []map[string]any
	g.call(http.MethodGet, "/api/v1/provisioning/alert-rules", nil, &provisioned)
	require.Len(t, provisioned, len(alertRules(t)))
	for _, rule := range provisioned {
		t.Run(fmt.Sprint(rule["uid"]), func(t *testing.T) {
			var answer struct {
				Results map[string]struct{ Error string }
			}
			grafanaAPI{t, url}.call(http.MethodPost, "/api/v1/eval", map[string]any{"data": rule["data"], "now": time.Now().UTC().Format(time.RFC3339), "condition": rule["condition"]}, &answer)
			require.Contains(t, answer.Results, rule["condition"])
			for refID, r := range answer.Results {
				require.Empty(t, r.Error, refID)
			}
		})
	}

	t.Run("an incident reaches a webhook", func(t *testing.T) {
		g := grafanaAPI{t, url}
		rule := provisioned[0]
		for _, r := range provisioned {
			if r["uid"] == "flowgauge-failure-rate" {
				rule = r
			}
		}
		// The same rule, as somebody copies it who wants to hear at once.
		for _, name := range []string{"id", "uid", "updated", "provenance"} {
			delete(rule, name)
		}
		rule["title"], rule["ruleGroup"], rule["for"] = "Fails at once", "at once", "0s"
		g.call(http.MethodPost, "/api/v1/provisioning/alert-rules", rule, nil)
		group := fmt.Sprintf("/api/v1/provisioning/folder/%s/rule-groups/at once", rule["folderUID"])
		var made map[string]any
		g.call(http.MethodGet, strings.ReplaceAll(group, " ", "%20"), nil, &made)
		made["interval"] = 10
		g.call(http.MethodPut, strings.ReplaceAll(group, " ", "%20"), made, nil)

		var events bytes.Buffer
		for i := range 20 {
			fmt.Fprintf(&events, `{"kind":"execution","id":"incident-%d","timestamp":%q,"workflowId":"payroll","userId":"ann","status":"failed","duration":10,"errorType":"Timeout"}`+"\n",
				i, time.Now().UTC().Format(time.RFC3339Nano))
		}
		status, body := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", &events)
		require.Equal(t, http.StatusAccepted, status, "%s", body)
		began := time.Now()
		notice := awaitNotice(t, notices, "Fails at once")
		t.Logf("the webhook was called %.0f s after the incident", time.Since(began).Seconds())
		require.Contains(t, notice, "payroll: 100% of 20 executions failed")
		require.Contains(t, notice, "Errors of the period", "it says what to do")
		require.Contains(t, notice, "/d/flowgauge-workflow", "and where to look")
	})
	t.Run("a rule made in the browser reaches it too", func(t *testing.T) { s.ruleByHand(t, url, notices) })
}

// ruleByHand makes a rule as somebody does who clicks "New alert rule" in a panel's menu,
// gives it a name and an interval, and saves it.
func (s *server) ruleByHand(t *testing.T, url string, notices <-chan string) {
	browser := newBrowser(t)
	type object = map[string]any
	var folder struct {
		ID    int64
		Title string
	}
	grafanaAPI{t, url}.call(http.MethodPost, "/api/folders", object{"title": "By hand"}, &folder)
	expression := object{"uid": "__expr__", "type": "__expr__"}
	above := func(limit int, of string) object { // as Grafana's form has it, of which it uses the evaluator
		return object{
			"type": "query", "evaluator": object{"type": "gt", "params": []int{limit}}, "operator": object{"type": "and"},
			"query": object{"params": []string{of}}, "reducer": object{"type": "last", "params": []string{}},
		}
	}
	prefilled, err := json.Marshal(object{
		"folder": object{"id": folder.ID, "title": folder.Title}, "group": "by hand", "evaluateFor": "0s", "condition": "C",
		"labels": []object{{"key": "product", "value": "flowgauge"}}, // by which the provisioned policy finds it
		"queries": []object{
			{"refId": "A", "datasourceUid": "flowgauge", "queryType": "metrics", "relativeTimeRange": object{"from": 600, "to": 0}, "model": object{
				"refId": "A", "datasource": source, "queryType": "metrics", "format": "timeseries", "version": 2, "metrics": []string{"executions_failed"}, "granularity": "minute", "groupBy": []string{"workflow"},
			}},
			{"refId": "B", "datasourceUid": "__expr__", "queryType": "", "model": object{
				"refId": "B", "hide": false, "datasource": expression, "type": "reduce", "reducer": "sum", "expression": "A", "conditions": []object{above(0, "A")},
			}},
			{"refId": "C", "datasourceUid": "__expr__", "queryType": "", "model": object{
				"refId": "C", "hide": false, "datasource": expression, "type": "threshold", "expression": "B", "conditions": []object{above(29, "B")},
			}},
		},
	})
	require.NoError(t, err)
	p := visit(t, browser, url+"/alerting/new?defaults="+neturl.QueryEscape(string(prefilled)), 1600, 2400)
	p.await(`document.querySelector('[data-testid="flowgauge-query-editor"]') !== null`)
	p.fill("#name", "Made by hand")
	p.fill("#eval-every-input", "10s") // a minute is Grafana's own
	p.screenshot("alert-rule", 2400)
	p.click("Save rule and exit")
	p.await(`location.pathname === '/alerting/list'`)
	p.requireNoProblems()

	var events bytes.Buffer
	for i := range 30 {
		fmt.Fprintf(&events, `{"kind":"execution","id":"by-hand-%d","timestamp":%q,"workflowId":"by-hand","status":"failed","duration":10}`+"\n", i, time.Now().UTC().Format(time.RFC3339Nano))
	}
	status, body := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", &events)
	require.Equal(t, http.StatusAccepted, status, "%s", body)
	began := time.Now()
	require.Contains(t, awaitNotice(t, notices, "Made by hand"), "by-hand")
	t.Logf("the webhook was called %.0f s after the incident", time.Since(began).Seconds())
}

// awaitNotice waits for the firing notice of a rule and returns it, as JSON.
func awaitNotice(t *testing.T, notices <-chan string, rule string) string {
	t.Helper()
	for end := time.After(4 * time.Minute); ; {
		select {
		case text := <-notices:
			var notice struct{ Status string }
			require.NoError(t, json.Unmarshal([]byte(text), &notice))
			if strings.Contains(text, rule) && notice.Status == "firing" {
				return text
			}
		case <-end:
			t.Fatal("no notice of " + rule + " came within four minutes")
		}
	}
}

// fill types into a field of the page.
func (p *page) fill(selector, text string) {
	p.t.Helper()
	var there bool
	p.eval(fmt.Sprintf(`(() => {
		const field = document.querySelector(%q);
		Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(field, %q); // past React, which keeps a field's own
		return field !== null && field.dispatchEvent(new Event('input', {bubbles: true}));
	})()`, selector, text), &there)
	require.True(p.t, there, selector)
}

// click presses the button with these words.
func (p *page) click(words string) {
	p.t.Helper()
	var there bool
	p.eval(fmt.Sprintf(`(() => {
		const button = [...document.querySelectorAll('button')].find((b) => b.innerText.trim() === %q);
		button?.click();
		return button !== undefined;
	})()`, words), &there)
	require.True(p.t, there, words)
}

// grafanaAPI calls Grafana's own API.
type grafanaAPI struct {
	t   *testing.T
	url string
}

func (g grafanaAPI) call(method, path string, body, into any) {
	g.t.Helper()
	status, answer := g.send(method, path, body)
	require.Less(g.t, status, 300, "%s %s: %s", method, path, answer)
	if into != nil {
		require.NoError(g.t, json.Unmarshal(answer, into), "%s", answer)
	}
}

// raw is an answer's text, whatever its status.
func (g grafanaAPI) raw(method, path string, body any) string {
	g.t.Helper()
	_, answer := g.send(method, path, body)
	return string(answer)
}

func (g grafanaAPI) send(method, path string, body any) (int, []byte) {
	g.t.Helper()
	var text bytes.Buffer
	if body != nil {
		require.NoError(g.t, json.NewEncoder(&text).Encode(body))
	}
	req, err := http.NewRequest(method, g.url+path, &text)
	require.NoError(g.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Disable-Provenance", "true")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(g.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(g.t, err)
	return resp.StatusCode, answer
}
