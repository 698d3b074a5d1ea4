package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Platforms send to a running program as they do, and their runs are executions.
func TestPlatformsReportTheirRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, file := filepath.Join(dir, "secret"), filepath.Join(dir, "flowgauge.yaml")
	require.NoError(t, os.WriteFile(secret, []byte("hush\n"), 0o600))
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(`
sources:
  github: [{id: ci, tenant: default, secret_file: %q}]
  gitlab: [{id: ci, tenant: default, secret_file: %q}]
`, secret, secret)), 0o600))
	s := up(t, dir, "--config", file)

	send := func(path, body string, headers ...string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := s.http.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Less(t, resp.StatusCode, 300, path)
	}
	run := `{"action":"completed","workflow_run":{"id":1,"run_attempt":1,"event":"push","path":".github/workflows/a.yml","conclusion":"success",
"run_started_at":"2024-05-31T10:00:00Z","updated_at":"2024-05-31T10:00:10Z","actor":{"login":"ann"}},"repository":{"full_name":"o/r"}}`
	mac := hmac.New(sha256.New, []byte("hush"))
	mac.Write([]byte(run))
	signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	send("/api/v1/webhooks/github/ci", run, "X-GitHub-Event", "workflow_run", "X-Hub-Signature-256", signature)
	send("/api/v1/webhooks/github/ci", run, "X-GitHub-Event", "workflow_run", "X-Hub-Signature-256", signature)

	pipeline := `{"object_kind":"pipeline","object_attributes":{"id":%d,"source":"push","status":"failed","created_at":"2024-05-31 10:00:00 UTC",
"finished_at":"2024-05-31 10:00:20 UTC"},"project":{"path_with_namespace":"g/p","web_url":"https://gl.example/g/p"}}`
	send("/api/v1/webhooks/gitlab", fmt.Sprintf(pipeline, 1), "X-Gitlab-Token", s.key())
	send("/api/v1/webhooks/gitlab/ci", fmt.Sprintf(pipeline, 2), "X-Gitlab-Token", "hush")

	lineage := `{"eventType":%q,"eventTime":%q,"run":{"runId":"r"},"job":{"namespace":"ns","name":"job"},"producer":"p","schemaURL":"s"}`
	send("/api/v1/lineage", fmt.Sprintf(lineage, "COMPLETE", "2024-05-31T10:00:30Z"), "Authorization", "Bearer "+s.key())
	send("/api/v1/lineage/batch", "["+fmt.Sprintf(lineage, "START", "2024-05-31T10:00:00Z")+"]", "Authorization", "Bearer "+s.key())

	s.settle()
	got := map[string]string{}
	for _, r := range s.ask(`{"metrics":["executions","executions_failed","duration_avg"],"groupBy":["workflow"],"from":"2024-05-31T00:00:00Z","to":"2024-06-01T00:00:00Z"}`) {
		got[r.text("workflow")] = r.text("executions") + " " + r.text("executions_failed") + " " + r.text("duration_avg")
	}
	require.Equal(t, map[string]string{"o/r/.github/workflows/a.yml": "1 0 10000", "g/p": "2 2 20000", "ns/job": "1 0 30000"}, got)
}
