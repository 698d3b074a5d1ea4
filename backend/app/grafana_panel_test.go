package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/dashboards"
)

// From 'plugin new' to a value of one's own in a Grafana panel, as docs/plugins.md has it: the
// panel shows what the plugin makes of the events, and the editor offers its kind.
func TestGrafanaPluginsPanel(t *testing.T) {
	if os.Getenv("GRAFANA_HOME") == "" {
		t.Skip("GRAFANA_HOME is not set: the test of a plugin's panel in Grafana is left out")
	}
	browser, built := newBrowser(t), builtPlugin(t)
	dir := t.TempDir()
	out, err := exec.Command(program, "plugin", "install", ownPlugin(t, "panel", "acme-slo"), "--data-dir", dir).CombinedOutput()
	require.NoError(t, err, string(out))
	config := filepath.Join(dir, "flowgauge.yaml")
	require.NoError(t, os.WriteFile(config, []byte("plugins:\n  dir: "+filepath.Join(dir, "plugins")+"\n  use:\n    - id: acme-slo\n"), 0o600))
	s, grafana := upGrafana(t, built, "--config", config)
	var events strings.Builder
	for i := range 1000 {
		state := "completed"
		if i%200 == 0 {
			state = "failed"
		}
		fmt.Fprintf(&events, `{"kind":"execution","id":"e%d","timestamp":%q,"workflowId":"payroll","status":%q,"duration":10}`+"\n", i, time.Now().UTC().Add(-time.Hour).Format(time.RFC3339), state)
	}
	status, answer := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(events.String()))
	require.Equal(t, http.StatusAccepted, status, "%s", answer)
	s.settle()

	panel := func(id int, kind, title string, params map[string]string) map[string]any {
		return map[string]any{
			"id": id, "type": kind, "title": title, "datasource": source, "gridPos": map[string]int{"x": 12 * (id - 1), "y": 0, "w": 12, "h": 9},
			"targets": []any{map[string]any{
				"refId": "A", "datasource": source, "queryType": "acme-slo.slo", "format": "table", "params": params, "version": 2,
			}},
		}
	}
	text := boardOf(t, "slo", []map[string]any{
		panel(1, "stat", "Left of the error budget", map[string]string{}),
		panel(2, "table", "Error budgets", map[string]string{"target_percent": "98"}),
	})
	grafanaAPI{t, grafana}.call(http.MethodPost, "/api/dashboards/db", map[string]any{"dashboard": json.RawMessage(text), "overwrite": true}, nil)
	var board dashboards.Dashboard
	require.NoError(t, json.Unmarshal(text, &board))

	t.Run("panels", func(t *testing.T) {
		p := visit(t, browser, grafana+"/d/slo", 1600, 900)
		p.requireDashboard(board, func(string) bool { return false })
		// 5 of 1,000 failed: half of what 99 % lets fail, a quarter of what 98 % does.
		const of = `document.querySelector('[data-testid="data-testid Panel header %s"]').innerText.includes(%q)`
		p.await(fmt.Sprintf(of, "Left of the error budget", "50.0%"))
		p.await(fmt.Sprintf(of, "Error budgets", "75.0%"))
		p.await(fmt.Sprintf(of, "Error budgets", "payroll"))
		p.screenshot("plugin-panel", 900)
		p.requireNoProblems()
	})
	t.Run("editor", func(t *testing.T) {
		p := visit(t, browser, grafana+"/d/slo?editPanel=2", 1600, 1000)
		p.await(`document.querySelector('[data-testid="flowgauge-query-param-target_percent"] input')?.value === '98'`)
		p.awaitQuiet()
		const field = `[data-testid="flowgauge-query-kind"] input`
		var ok bool
		p.eval(fmt.Sprintf(`(document.querySelector(%q).focus(), document.querySelector(%q).dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true})), true)`, field, field), &ok)
		const offered = `document.body.innerText.includes(%q)`
		p.await(fmt.Sprintf(offered, "Figures of the catalogue") + ` && ` + fmt.Sprintf(offered, "From the plugin acme-slo."))
		p.eval(fmt.Sprintf(`(Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(document.querySelector(%q), 'error budgets'),
			document.querySelector(%q).dispatchEvent(new Event('input', {bubbles: true})), true)`, field, field), &ok)
		p.await(`!` + fmt.Sprintf(offered, "Figures of the catalogue") + ` && ` + fmt.Sprintf(offered, "From the plugin acme-slo."))
		p.screenshot("plugin-panel-editor", 1000)
		p.requireNoProblems()
	})
}
