package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
		for end := time.After(3 * time.Minute); ; {
			select {
			case text := <-notices:
				if !strings.Contains(text, "Fails at once") {
					continue
				}
				t.Logf("the webhook was called %.0f s after the incident", time.Since(began).Seconds())
				var notice struct{ Title, Message, Status string }
				require.NoError(t, json.Unmarshal([]byte(text), &notice))
				require.Equal(t, "firing", notice.Status)
				require.Contains(t, notice.Message, "payroll: 100% of 20 executions failed")
				require.Contains(t, notice.Message, "Errors of the period", "it says what to do")
				require.Contains(t, notice.Message, "/d/flowgauge-workflow", "and where to look")
				return
			case <-end:
				t.Fatal("nothing came within three minutes")
			}
		}
	})
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
