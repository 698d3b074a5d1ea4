package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ownPlugin makes a plugin as its author does, and returns the folder that is installed.
func ownPlugin(t *testing.T, kind, id string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	do := func(in, name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = in
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %v\n%s", name, args, out)
		return string(out)
	}
	do(dir, program, "plugin", "new", "--kind", kind, "--flowgauge", root, id)
	folder := filepath.Join(dir, id)
	do(folder, "go", "mod", "tidy")
	do(folder, "go", "vet", "./...")
	do(folder, "go", "test", "./...")
	do(folder, "go", "build", "-o", "package/"+id, ".")
	do(folder, program, "plugin", "pack", "package")
	tested := do(folder, program, "plugin", "test", "package")
	assert.NotContains(t, tested, "FAIL")
	assert.Contains(t, tested, "it is still up")
	return filepath.Join(folder, "package")
}

// releaseAgain installs the same program as another version.
func releaseAgain(t *testing.T, s *server, folder, source, version string) {
	t.Helper()
	manifest := filepath.Join(folder, "plugin.json")
	text, err := os.ReadFile(manifest)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(text, &m))
	old := m["version"].(string)
	m["version"] = version
	text, err = json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(manifest, text, 0o600))
	code, err := os.ReadFile(filepath.Join(source, "main.go"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(source, "main.go"), []byte(strings.Replace(string(code), `Version: "`+old+`"`, `Version: "`+version+`"`, 1)), 0o600))
	cmd := exec.Command("go", "build", "-o", folder, ".")
	cmd.Dir = source
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, args := range [][]string{{"plugin", "pack", folder}, {"plugin", "install", folder, "--data-dir", s.dir}} {
		out, err := exec.Command(program, args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

// From 'plugin new' to a figure of one's own, and to new versions while events come in: none
// is lost, and each is as the plugin has it.
func TestAPluginOfOnesOwn(t *testing.T) {
	t.Parallel()
	folder := ownPlugin(t, "enricher", "acme-errors")
	data := t.TempDir()
	out, err := exec.Command(program, "plugin", "install", folder, "--data-dir", data).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "- id: acme-errors")
	config := filepath.Join(t.TempDir(), "flowgauge.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`plugins:
  use:
    - id: acme-errors
      on_failure: hold
      timeout: 30s
      settings:
        types: {rate_limited: quota of requests}
`), 0o600))
	s := up(t, data, "--config", config)

	out, err = exec.Command(program, "plugin", "list", "--config", config, "--data-dir", data).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Regexp(t, `acme-errors +0\.1\.0 +enricher +used`, string(out))

	const bodies, each = 60, 500
	for n := range bodies {
		var body strings.Builder
		for i := range each {
			fmt.Fprintf(&body, `{"kind":"execution","id":"e-%d-%d","timestamp":"2026-03-01T10:%02d:00Z","workflowId":"w","status":"failed","duration":5,"errorType":"unknown","errorMessage":"the quota of requests is used up"}`+"\n", n, i, n)
		}
		status, answer := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(body.String()))
		require.Equal(t, http.StatusAccepted, status, "%s", answer)
		if n%20 == 10 {
			releaseAgain(t, s, folder, filepath.Dir(folder), fmt.Sprintf("0.%d.0", n))
			require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
		}
	}
	s.settle()
	rows := s.ask(`{"metrics":["executions_failed"],"groupBy":["error_type"],"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"}`)
	require.Len(t, rows, 1, "%v", rows)
	assert.Equal(t, "rate_limited", rows[0].text("error_type"))
	assert.EqualValues(t, bodies*each, rows[0].number(t, "executions_failed"))

	log := func() string {
		text, err := os.ReadFile(filepath.Join(data, "flowgauge.log"))
		require.NoError(t, err)
		return string(text)
	}
	require.Eventually(t, func() bool { return strings.Contains(log(), "version=0.50.0") }, time.Minute, 50*time.Millisecond, "the newest version runs")
	_, metrics := s.call(http.MethodGet, "/metrics", "", nil)
	assert.Contains(t, string(metrics), `flowgauge_plugin_up{plugin="acme-errors"} 1`)
	assert.Contains(t, string(metrics), fmt.Sprintf(`flowgauge_plugin_events_total{outcome="changed",plugin="acme-errors"} %d`, bodies*each))
	assert.Contains(t, string(metrics), `flowgauge_plugin_calls_total{extension="enricher",outcome="ok",plugin="acme-errors"}`)

	// A plugin that is gone holds events back, says so, and loses none.
	installed, err := filepath.Glob(filepath.Join(data, "plugins", "acme-errors", "*", "acme-errors"))
	require.NoError(t, err)
	for _, program := range installed {
		require.NoError(t, os.Rename(program, program+".away"))
	}
	require.NoError(t, exec.Command("pkill", "-KILL", "-P", strconv.Itoa(s.cmd.Process.Pid), "-x", "acme-errors").Run())
	status, answer := s.call(http.MethodPost, "/api/v1/events", "application/json",
		strings.NewReader(`{"kind":"execution","id":"last","timestamp":"2026-03-01T12:00:00Z","workflowId":"w","status":"failed","duration":5,"errorMessage":"quota of requests"}`))
	require.Equal(t, http.StatusAccepted, status, "%s", answer)
	require.Eventually(t, func() bool {
		status, ready := s.call(http.MethodGet, "/readyz", "", nil)
		return status == http.StatusServiceUnavailable && strings.Contains(string(ready), "wait in the log: plugin acme-errors holds them")
	}, time.Minute, 50*time.Millisecond)
	for _, program := range installed {
		require.NoError(t, os.Rename(program+".away", program))
	}
	s.settle()
	rows = s.ask(`{"metrics":["executions_failed"],"groupBy":["error_type"],"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"}`)
	require.Len(t, rows, 1, "%v", rows)
	assert.EqualValues(t, bodies*each+1, rows[0].number(t, "executions_failed"))
}

func TestAPricerOfOnesOwn(t *testing.T) {
	t.Parallel()
	folder := ownPlugin(t, "pricer", "acme-prices")
	data := t.TempDir()
	out, err := exec.Command(program, "plugin", "install", folder, "--data-dir", data).CombinedOutput()
	require.NoError(t, err, string(out))
	config := filepath.Join(t.TempDir(), "flowgauge.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`plugins:
  use:
    - {id: acme-prices, on_failure: dead_letter, settings: {perCredit: {call: "0.002"}}}
`), 0o600))
	s := up(t, data, "--config", config)
	status, answer := s.call(http.MethodPost, "/api/v1/events", "application/json", strings.NewReader(`[
		{"kind":"cost","id":"a","timestamp":"2026-03-01T10:00:00Z","userId":"ann","actionType":"call","credits":"1.5"},
		{"kind":"cost","id":"b","timestamp":"2026-03-01T10:00:00Z","userId":"ann","actionType":"call","credits":"1.5","dollarAmount":"7"},
		{"kind":"cost","id":"c","timestamp":"2026-03-01T10:00:00Z","userId":"ann","actionType":"other","credits":"100"}]`))
	require.Equal(t, http.StatusAccepted, status, "%s", answer)
	s.settle()
	rows := s.ask(`{"metrics":["dollars"],"groupBy":["action_type"],"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"}`)
	got := map[string]string{}
	for _, r := range rows {
		got[r.text("action_type")] = r.text("dollars")
	}
	assert.Equal(t, map[string]string{"call": "7.003", "other": "0"}, got)
}
