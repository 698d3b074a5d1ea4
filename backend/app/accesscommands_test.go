package app_test

import (
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

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/engine"
)

// beside runs the program beside the server, and returns its exit code and what it said.
func (s *server) beside(stdin string, args ...string) (code int, out, problems string) {
	s.t.Helper()
	cmd := exec.Command(program, append(args, "--data-dir", s.dir)...)
	cmd.Stdin = strings.NewReader(stdin)
	var said strings.Builder
	cmd.Stderr = &said
	text, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text), said.String()
}

// What a role does not see is set and read from the command line, and who read what is
// listed and checked there: dead letters and PromQL included.
func TestAccessFromTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "pseudonyms.key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 2)), 0o600))
	t.Setenv("FLOWGAUGE_PRIVACY__KEY_FILE", key)
	s := up(t, filepath.Join(dir, "data"))
	body := `{"kind":"cost","id":"c1","source":"crm","timestamp":"2026-03-01T10:00:00Z","userId":"ann","workflowId":"wf","credits":1}
{"kind":"cost","id":"c2","source":"crm","timestamp":"2026-03-01T10:00:00Z","userId":"ann"}`
	status, answer := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(body))
	require.Equal(t, http.StatusMultiStatus, status, "%s", answer)
	s.settle()

	// Nothing is kept back at first.
	const letters = "/api/v1/collector/dead-letters"
	var list struct {
		Data []struct {
			ID, Message, Payload, Code string
			PayloadBytes               int
			Withheld                   bool
		}
	}
	s.answered(http.StatusOK, http.MethodGet, letters+"?search=ann", "", "", &list)
	require.Len(t, list.Data, 1)
	require.Contains(t, list.Data[0].Payload, "ann")
	code, out, _ := s.beside("", "policy", "get")
	require.Zero(t, code)
	require.Equal(t, "roles: {}\n", out)

	file := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("roles:\n  admin: {pseudonyms: true, redact: [sample]}\n  manager: {minimumUsers: 5}\n"), 0o600))
	code, out, _ = s.beside("", "policy", "check", file)
	require.Zero(t, code)
	require.Equal(t, "viewer: sees everything in its scope\nmanager: sees figures of 5 users and more only\nadmin: sees pseudonyms in the place of users' ids\nadmin: does not see sample\n", out)
	for text, want := range map[string]string{
		"roles: {owner: {}}":                 "viewer, manager or admin",
		"roles: {admin: {minimumUsers: -1}}": "minimumUsers is -1",
		"roles: {admin: {redact: ['*']}}":    "redact",
		"roles: {admin: {pseudonym: true}}":  "pseudonym",
		"rolls: {}":                          "rolls",
		"":                                   "empty",
		"roles: {admin: {redact: [metadata.*.x]}}": "metadata.*.x",
	} {
		code, _, problems := s.beside(text, "policy", "check", "-")
		require.Equal(t, 1, code, text)
		require.Contains(t, problems, want)
	}
	code, _, _ = s.beside("", "policy", "set")
	require.Equal(t, 2, code, "no file is a wrong call")
	code, out, problems := s.beside("", "policy", "set", file)
	require.Zero(t, code, problems)
	require.Contains(t, out, "of default is in force")
	code, out, _ = s.beside("", "policy", "get")
	require.Zero(t, code)
	require.Contains(t, out, "pseudonyms: true")

	// What was sent, and said of it, is withheld from then on, and cannot be searched.
	for {
		list.Data = nil // else what is left out now stays from before
		s.answered(http.StatusOK, http.MethodGet, letters, "", "", &list)
		if list.Data[0].Withheld {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	l := list.Data[0]
	require.Empty(t, l.Payload)
	require.Equal(t, "[withheld by the access policy]", l.Message)
	require.Equal(t, "missing_field", l.Code)
	require.Positive(t, l.PayloadBytes)
	var one struct {
		Data struct{ Payload, Message string }
	}
	s.answered(http.StatusOK, http.MethodGet, letters+"/"+url.PathEscape(l.ID), "", "", &one)
	require.Empty(t, one.Data.Payload)
	status, answer = s.call(http.MethodGet, letters+"?search=ann", "", nil)
	require.Equal(t, http.StatusForbidden, status, "%s", answer)
	status, answer = s.call(http.MethodPost, letters+"/"+url.PathEscape(l.ID)+"/replay?dryRun=true", "", nil)
	require.Equal(t, http.StatusUnprocessableEntity, status, "%s", answer)
	require.NotContains(t, string(answer), `"c2"`)

	prom := "/prometheus/api/v1/query?" + url.Values{"query": {"sum(flowgauge_cost_records_total) + sum(flowgauge_user_cost_records_total)"}, "time": {"2026-03-02T00:00:00Z"}}.Encode()
	status, answer = s.call(http.MethodGet, prom, "", nil)
	require.Equal(t, http.StatusOK, status, "%s", answer)

	type record struct {
		Kind, Outcome, Surface string
		Rows                   int
		Params                 map[string]string
	}
	var records []record
	for len(records) == 0 || records[0].Kind != "promql" { // they are written within a second
		code, out, problems = s.beside("", "audit", "list", "--json", "--limit", "0")
		require.Zero(t, code, problems)
		records = nil
		for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
			var r record
			require.NoError(t, json.Unmarshal([]byte(line), &r), line)
			records = append(records, r)
		}
	}
	count := func(match func(record) bool) (n int) {
		for _, r := range records {
			if match(r) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, count(func(r record) bool { return r.Surface == "promql" }), "one request is one record")
	letterReads := func(r record) bool { return r.Kind == "dead_letters" }
	require.GreaterOrEqual(t, count(letterReads), 5)
	require.Equal(t, 1, count(func(r record) bool { return letterReads(r) && r.Outcome == "denied" && r.Params["search"] == "ann" }))
	require.Equal(t, 1, count(func(r record) bool { return letterReads(r) && r.Params["do"] == "get" && r.Params["id"] == l.ID }))
	require.Equal(t, 1, count(func(r record) bool { return letterReads(r) && r.Params["do"] == "replay" }))

	// Pages put together are all records.
	var page struct {
		Records []record
		Next    string
	}
	got := 0
	for cursor := ""; ; cursor = page.Next {
		page.Next = ""
		s.answered(http.StatusOK, http.MethodGet, "/api/v1/audit?limit=3&to=2100-01-01T00:00:00Z&cursor="+url.QueryEscape(cursor), "", "", &page)
		got += len(page.Records)
		if page.Next == "" {
			break
		}
	}
	require.Equal(t, len(records), got)
	status, answer = s.call(http.MethodGet, "/api/v1/audit?cursor=nonsense", "", nil)
	require.Equal(t, http.StatusBadRequest, status, "%s", answer)

	code, out, _ = s.beside("", "audit", "list", "--kind", "promql")
	require.Zero(t, code)
	require.Contains(t, out, "query=sum(flowgauge_cost_records_total)")
	require.Equal(t, 2, strings.Count(out, "\n"), out)
	code, _, _ = s.beside("", "audit", "list", "--limit", "-1")
	require.Equal(t, 2, code)
	status, answer = s.call(http.MethodGet, "/metrics", "", nil)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(answer), "\nflowgauge_audit_dropped_total 0\n")

	code, out, _ = s.beside("", "audit", "verify")
	require.Zero(t, code)
	require.Contains(t, out, "records are as they were written; 0 readings could not be recorded\n")
	at, err := engine.Running(filepath.Join(s.dir, "clickhouse"))
	require.NoError(t, err)
	client, err := clickhouse.New(clickhouse.Config{Addr: at.TCPAddr(), Database: at.Database, User: at.Writer.Name, Password: at.Writer.Password})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, client.Exec(t.Context(), "ALTER TABLE audit_log UPDATE record = replace(record, 'denied', 'answered') WHERE record LIKE '%denied%' SETTINGS mutations_sync = 1", nil))
	code, _, problems = s.beside("", "audit", "verify", "--json")
	require.Equal(t, 4, code)
	require.Contains(t, problems, "it was changed")
}
