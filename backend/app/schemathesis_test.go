package app_test

import (
	"context"
	"flag"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/servertest"
)

var apiExamples = flag.Int("api-examples", 0, "how many requests Schemathesis makes up for each operation, beside thousands that it derives from the document one by one; 0 makes up a few, always the same, and derives none")

// fewExamples are enough to notice an operation that does not do what is described.
const fewExamples = 4

// The server does what its document says, to requests that Schemathesis makes up from
// the document, good and bad ones: no error of its own, no answer or status that is not
// described, nothing accepted that is not.
func TestServerIsAsDescribed(t *testing.T) {
	t.Parallel()
	python := servertest.Python(t, "the test of the API's description", "testdata/schemathesis/requirements.txt")
	s := up(t, t.TempDir())
	status, body := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(everyKind(time.Now().UTC())))
	require.Equal(t, http.StatusMultiStatus, status, string(body))
	s.settle()
	config, err := filepath.Abs("testdata/schemathesis/schemathesis.toml")
	require.NoError(t, err)
	examples, phases := fewExamples, "examples,fuzzing"
	if *apiExamples > 0 {
		examples, phases = *apiExamples, "examples,coverage,fuzzing"
	}
	// One worker: what it draws requests from is not safe for two at once.
	args := []string{
		"-m", "schemathesis.cli", "--config-file", config, "run", s.url + "/api/v1/analytics/openapi.yaml",
		"--header", "Authorization: Bearer " + s.key(), "--max-examples", strconv.Itoa(examples),
		"--phases", phases, "--workers", "1", "--request-timeout", "60", "--continue-on-failure",
		"--suppress-health-check", "all", "--warnings", "off", "--no-color",
	}
	if *apiExamples == 0 {
		args = append(args, "--seed", "1", "--generation-deterministic")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Dir = t.TempDir() // it keeps notes where it runs
	out, err := cmd.CombinedOutput()
	text := strings.ReplaceAll(string(out), s.key(), "KEY")
	if err != nil {
		t.Fatalf("%v:\n%s", err, shortLines(text))
	}
	t.Log(text[strings.LastIndex(text, "= SUMMARY =")+1:])
}

// shortLines cuts long lines, such as of a request with a large body.
func shortLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if len(line) > 1000 {
			line = line[:1000] + "…\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// everyKind is an event of each kind, and one that is refused.
func everyKind(at time.Time) string {
	now := at.Add(-time.Hour).Format(time.RFC3339)
	end := at.Add(-time.Hour + time.Second).Format(time.RFC3339)
	return strings.Join([]string{
		`{"kind":"execution","id":"exec-42","timestamp":"` + end + `","workflowId":"invoice","workflowVersion":3,"userId":"ann","triggerId":"t","triggerType":"webhook","status":"completed","duration":1000}`,
		`{"kind":"execution","id":"exec-43","timestamp":"` + end + `","workflowId":"invoice","workflowVersion":4,"userId":"ann","triggerId":"t","triggerType":"webhook","status":"failed","duration":1000,"errorType":"timeout","errorMessage":"no answer in 30 s"}`,
		`{"kind":"step","id":"s1","executionId":"exec-42","stepId":"fetch","stepType":"http","startTime":"` + now + `","endTime":"` + end + `","duration":1000,"status":"completed","inputSize":1,"outputSize":2,"creditsUsed":1.5}`,
		`{"kind":"cost","id":"c1","timestamp":"` + end + `","userId":"ann","workflowId":"invoice","executionId":"exec-42","actionType":"llm","credits":1.25,"dollarAmount":"0.01"}`,
		`{"kind":"activity","id":"a1","userId":"ann","timestamp":"` + now + `","sessionId":"s","action":"login","resource":"workflow","resourceId":"invoice","duration":5}`,
		`{"kind":"activity","id":"a2"}`,
	}, "\n")
}
