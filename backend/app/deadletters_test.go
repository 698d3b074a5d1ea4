package app_test

import (
	"encoding/json"
	"net/http"
	"net/url"
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
