package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answered decodes an answer.
func (s *server) answered(status int, method, path, contentType, body string, into any) {
	s.t.Helper()
	got, text := s.call(method, path, contentType, strings.NewReader(body))
	require.Equal(s.t, status, got, "%s %s: %s", method, path, text)
	require.NoError(s.t, json.Unmarshal(text, into), "%s", text)
}

// What arrived adds up, and what was refused can be corrected and sent again.
func TestCompletenessAndDeadLetters(t *testing.T) {
	t.Parallel()
	const (
		good    = `{"kind":"cost","id":"c1","source":"crm","timestamp":"2026-03-01T10:00:00Z","credits":1}`
		bad     = `{"kind":"cost","id":"c2","source":"crm","timestamp":"2026-03-01T10:00:00Z"}`
		fixed   = `{"kind":"cost","id":"c2","source":"crm","timestamp":"2026-03-01T10:00:00Z","credits":2}`
		ended   = `{"kind":"execution","id":"e1","source":"crm","timestamp":"2026-03-01T10:00:00Z","workflowId":"w","status":"failed","duration":5}`
		again   = `{"kind":"execution","id":"e1","source":"crm","timestamp":"2026-03-01T11:00:00Z","workflowId":"w","status":"completed","duration":5}`
		letters = "/api/v1/collector/dead-letters"
	)
	s := up(t, t.TempDir())
	status, body := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(strings.Join([]string{good, good, bad, ended, again}, "\n")))
	require.Equal(t, http.StatusMultiStatus, status, "%s", body)
	status, body = s.call(http.MethodPost, "/api/v1/events", "application/json", strings.NewReader(good))
	require.Equal(t, http.StatusAccepted, status, "%s", body)
	s.settle()

	type figures struct{ Received, Accepted, Duplicate, Rejected, Stored, Visible, Replaced int }
	completeness := func() figures {
		now := time.Now().UTC()
		period := url.Values{"from": {now.Add(-time.Hour).Format(time.RFC3339)}, "to": {now.Add(time.Hour).Format(time.RFC3339)}}
		var got struct {
			Total figures
			Meta  struct{ Waiting int }
		}
		s.answered(http.StatusOK, http.MethodGet, "/api/v1/collector/completeness?"+period.Encode(), "", "", &got)
		require.Zero(t, got.Meta.Waiting)
		return got.Total
	}
	require.Equal(t, figures{Received: 6, Accepted: 4, Duplicate: 1, Rejected: 1, Stored: 4, Visible: 3, Replaced: 1}, completeness())

	var conflicts struct {
		Data []struct {
			Execution string
			Ends      []struct{ Status string }
		}
	}
	s.answered(http.StatusOK, http.MethodGet, "/api/v1/collector/conflicts?from=2026-03-01&to=2026-03-02", "", "", &conflicts)
	require.Len(t, conflicts.Data, 1)
	require.Len(t, conflicts.Data[0].Ends, 2)

	var list struct {
		Data []struct{ ID, State, Code, Payload string }
	}
	s.answered(http.StatusOK, http.MethodGet, letters+"?source=crm", "", "", &list)
	require.Len(t, list.Data, 1)
	require.JSONEq(t, bad, list.Data[0].Payload)
	id := list.Data[0].ID
	var problem struct {
		Code   string
		Errors []struct{ Field string }
	}
	s.answered(http.StatusUnprocessableEntity, http.MethodPost, letters+"/"+id+"/replay", "", "", &problem)
	require.Equal(t, "credits", problem.Errors[0].Field)
	var replayed struct {
		Data struct {
			State  string
			Events []struct{ ID string }
		}
	}
	s.answered(http.StatusOK, http.MethodPost, letters+"/"+id+"/replay", "application/json", fixed, &replayed)
	require.Equal(t, "replayed", replayed.Data.State)
	require.Equal(t, "c2", replayed.Data.Events[0].ID)
	s.settle()
	require.Equal(t, figures{Received: 7, Accepted: 5, Duplicate: 1, Rejected: 1, Stored: 5, Visible: 4, Replaced: 1}, completeness())
	s.answered(http.StatusConflict, http.MethodDelete, letters+"/"+id, "", "", &problem)
	var summary struct{ Data struct{ Matched int } }
	s.answered(http.StatusOK, http.MethodPost, letters+"/replay", "application/json", `{}`, &summary)
	require.Zero(t, summary.Data.Matched, "none is open any more")
}

// run runs the program against the server, and returns its exit code and what it
// wrote to standard output.
func (s *server) run(args ...string) (int, string) {
	s.t.Helper()
	cmd := exec.Command(program, append(args, "--url", s.url, "--data-dir", s.dir)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	s.t.Logf("%v: %s", args, said.String())
	return cmd.ProcessState.ExitCode(), string(out)
}

// A file is exported, corrected with an editor, and sent back.
func TestDeadLettersFromTheCommandLine(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	body := `{"kind":"cost","id":"c1","source":"crm","timestamp":"2026-03-01T10:00:00Z","credit":1}
{"kind":"cost","id":"c2","source":"crm","timestamp":"2026-03-01T10:00:00Z","credit":2}
{"kind":"cost","id":"c3","source":"crm","timestamp":"2026-03-01T10:00:00Z"}
{`
	status, answer := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(body))
	require.Equal(t, http.StatusBadRequest, status, "%s", answer)
	s.settle()

	code, out := s.run("dead-letters", "list")
	require.Zero(t, code)
	require.Equal(t, 5, strings.Count(out, "\n"), out)
	code, out = s.run("dead-letters", "list", "--code", "malformed_json", "--json")
	require.Zero(t, code)
	var malformed []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(out), &malformed))
	require.Len(t, malformed, 1)
	code, out = s.run("dead-letters", "show", malformed[0].ID)
	require.Zero(t, code)
	require.Contains(t, out, "\n{\n")

	file := filepath.Join(t.TempDir(), "letters.ndjson")
	code, _ = s.run("dead-letters", "export", "--source", "crm", "-o", file)
	require.Zero(t, code)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 3, bytes.Count(text, []byte("\n")))
	require.NoError(t, os.WriteFile(file, bytes.ReplaceAll(text, []byte(`"credit":`), []byte(`"credits":`)), 0o600))
	for range 2 { // Twice counts once.
		code, out = s.run("dead-letters", "replay", file, "--dry-run")
		require.Equal(t, 3, code)
		require.Equal(t, "2 would be replayed, 1 rejected again\n", out)
		code, out = s.run("dead-letters", "replay", file)
		require.Equal(t, 3, code)
		require.Equal(t, "2 replayed, 1 rejected again\n", out)
	}
	s.settle()
	rows := s.ask(`{"metrics":["cost_records","credits"],"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"}`)
	require.Equal(t, "2", rows[0].text("cost_records"))
	require.Equal(t, "3", rows[0].text("credits"))

	code, out = s.run("dead-letters", "replay", "--code", "missing_field")
	require.Equal(t, 3, code)
	require.Equal(t, "0 would be replayed, 1 rejected again\n", out)
	code, out = s.run("dead-letters", "replay", "--all", "--yes")
	require.Equal(t, 3, code)
	require.Equal(t, "0 replayed, 2 rejected again\n", out)
	code, _ = s.run("dead-letters", "discard", malformed[0].ID)
	require.Zero(t, code)
	code, out = s.run("dead-letters", "list")
	require.Zero(t, code)
	require.Equal(t, 2, strings.Count(out, "\n"), out)
	for _, wrong := range [][]string{{"replay"}, {"replay", file, "--yes"}, {"show"}, {"list", "--from", "soon"}, {"gone"}} {
		code, _ = s.run(append([]string{"dead-letters"}, wrong...)...)
		require.Equal(t, 2, code, wrong)
	}
	for _, failing := range [][]string{{"show", "1.0.none"}, {"discard", "nonsense"}, {"replay", file + ".gone"}} {
		code, _ = s.run(append([]string{"dead-letters"}, failing...)...)
		require.Equal(t, 1, code, failing)
	}
}
