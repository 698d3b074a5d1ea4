package app_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// From 'plugin new' to files with one's own figures, an hour each; a program that starts again
// goes on where it was killed.
func TestFiguresAreExported(t *testing.T) {
	t.Parallel()
	folder := ownPlugin(t, "exporter", "acme-files")
	data, files := t.TempDir(), t.TempDir()
	out, err := exec.Command(program, "plugin", "install", folder, "--data-dir", data).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.NotContains(t, string(out), "on_failure", "events do not pass it")
	s := up(t, data)
	first := time.Now().UTC().Truncate(time.Hour).Add(-3 * time.Hour)
	body := ""
	for i, dollars := range []string{"0.100000000000001", "2"} {
		body += fmt.Sprintf(`{"kind":"cost","id":"%d","timestamp":"%s","userId":"ann","workflowId":"w%d","actionType":"call","credits":"1","dollarAmount":"%s"}`+"\n",
			i, first.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), i, dollars)
	}
	status, answer := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(body))
	require.Equal(t, http.StatusAccepted, status, "%s", answer)
	s.settle()
	s.kill()

	config := filepath.Join(t.TempDir(), "flowgauge.yaml")
	write := func(plugin string) {
		require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
plugins:
  use:
    - {id: acme-files, settings: {folder: "%s"}}
exports:
  - {name: hourly, plugin: %s, tenant: default, every: 1h, delay: 1s, since: "%s", request: {metrics: [dollars], groupBy: [workflow]}}
`, files, plugin, first.Add(30*time.Minute).Format(time.RFC3339)), 0o600))
	}
	write("acme-file")
	out, err = exec.Command(program, "up", "--config", config, "--data-dir", data, "--http", "127.0.0.1:0").CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), `exports, hourly: plugin is "acme-file": it is none of the exporters in plugins.use, which are: acme-files`)
	write("acme-files")
	s = up(t, data, "--config", config)
	eventually := func(what string, is func() bool) {
		t.Helper()
		if !assert.Eventually(t, is, 150*time.Second, 50*time.Millisecond, what) {
			log, _ := os.ReadFile(filepath.Join(data, "flowgauge.log"))
			t.Fatal(string(log))
		}
	}
	read := func(at time.Time) (string, bool) {
		found, err := filepath.Glob(filepath.Join(files, "hourly-"+at.Format("20060102T150405Z")+"-*-0.ndjson"))
		require.NoError(t, err)
		if len(found) != 1 {
			return "", false
		}
		text, err := os.ReadFile(found[0])
		require.NoError(t, err)
		return string(text), true
	}
	eventually("all hours that are over are there", func() bool { _, there := read(first.Add(2 * time.Hour)); return there })
	for h, want := range []string{`{"dollars":"0.100000000000001","workflow":"w0"}` + "\n", `{"dollars":"2","workflow":"w1"}` + "\n", ""} {
		got, there := read(first.Add(time.Duration(h) * time.Hour))
		assert.True(t, there, "hour %d", h)
		assert.Equal(t, want, got, "hour %d", h)
	}
	metrics := func(lines ...string) func() bool {
		return func() bool {
			_, all := s.call(http.MethodGet, "/metrics", "", nil)
			return slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(string(all), "\n"+line) })
		}
	}
	const delivered = `flowgauge_exports_total{export="hourly",outcome="delivered"} `
	eventually("it is recorded", metrics(delivered+"3", delivered+"4")) // an hour may have ended meanwhile
	eventually("it is in the audit log", func() bool {
		out, err := exec.Command(program, "audit", "list", "--json", "--key", "export", "--data-dir", data).CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.Contains(string(out), `"acme-files"`)
	})

	s.kill()
	written, err := filepath.Glob(filepath.Join(files, "*"))
	require.NoError(t, err)
	for _, file := range written {
		require.NoError(t, os.Remove(file))
	}
	s = up(t, data, "--config", config)
	eventually("it knows where it was", metrics(`flowgauge_export_delivered_until_timestamp_seconds{export="hourly"}`))
	for h := range 3 {
		_, there := read(first.Add(time.Duration(h) * time.Hour))
		assert.False(t, there, "hour %d is delivered again", h)
	}
}
