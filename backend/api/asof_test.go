package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
)

func TestAnswersAsOfAMoment(t *testing.T) {
	f := &fake{result: sampleResult()}
	h, _ := newHandler(t, f)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for text, want := range map[string]time.Time{
		"2026-04-02T08:30:00Z": time.Date(2026, 4, 2, 8, 30, 0, 0, time.UTC),
		"2026-04-02":           time.Date(2026, 4, 2, 0, 0, 0, 0, berlin),
	} {
		for _, path := range []string{"/costs?", "/costs/breakdown?", "/executions/errors?", "/activity?"} {
			status, _, _ := call(t, h, "admin", http.MethodGet, Root+path+period+"&timeZone=Europe/Berlin&asOf="+text, "")
			require.Equal(t, http.StatusOK, status)
			require.True(t, f.asked.AsOf.Equal(want), "%s %v", path, f.asked.AsOf)
		}
	}
	status, _, _ := call(t, h, "admin", http.MethodPost, Root+"/query", `{"metrics":["dollars"],"from":"2026-03-01T00:00:00Z","to":"2026-04-01T00:00:00Z","asOf":"2026-04-02T00:00:00Z"}`)
	require.Equal(t, http.StatusOK, status)
	require.True(t, f.asked.AsOf.Equal(time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC)))
	status, _, _ = call(t, h, "admin", http.MethodGet, Root+"/costs?"+period+"&asOf=then", "")
	require.Equal(t, http.StatusBadRequest, status)
	status, _, _ = call(t, h, "admin", http.MethodGet, Root+"/costs/forecast?"+period+"&asOf=2026-04-02", "")
	require.Equal(t, http.StatusBadRequest, status, "what the history does not know is refused")
}

func TestRestatements(t *testing.T) {
	f := &fake{result: sampleResult()}
	h, _ := newHandler(t, f)
	status, _, _ := call(t, h, "admin", http.MethodGet, Root+"/restatements?"+period+"&since=2026-04-02&groupBy=workflowId&show=all&workflow=a", "")
	require.Equal(t, http.StatusOK, status)
	f.asked.From, f.asked.To = time.Time{}, time.Time{}
	require.Equal(t, query.Request{
		Kind: query.KindRestatements, Metrics: []string{"dollars", "credits"}, GroupBy: []string{"workflow"},
		Filters: []query.Filter{{Dimension: "workflow", Operator: query.In, Values: []string{"a"}}},
		Params:  map[string]string{"since": "2026-04-02", "show": "all"},
	}, f.asked)
	status, _, _ = call(t, h, "admin", http.MethodGet, Root+"/restatements?"+period, "")
	require.Equal(t, http.StatusBadRequest, status, "since when?")
}
