package api

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/document"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/dashboards"
)

func withDocuments(t *testing.T, analytics Analytics) http.Handler {
	t.Helper()
	client := schematest.Client(t)
	a, err := New(Config{
		Analytics: analytics, Authenticator: roles{}, Dashboards: document.NewStore(client, document.Dashboard), Reports: document.NewStore(client, document.Report),
	})
	require.NoError(t, err)
	return a.Handler()
}

func send(t *testing.T, h http.Handler, role, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	req.Header.Set("X-Role", role)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

// A dashboard of Grafana is kept as it is; as widgets it can be read, changed and sent
// back, and another's change is not overwritten.
func TestDashboards(t *testing.T) {
	h := withDocuments(t, &fake{})
	grafana, err := fs.ReadFile(dashboards.Files, "overview.json")
	require.NoError(t, err)
	root := Root + "/dashboards"
	made := send(t, h, "viewer", http.MethodPost, root+"?isPublic=true", string(grafana), "Content-Type", "application/vnd.grafana.dashboard+json")
	require.Equal(t, http.StatusCreated, made.Code, made.Body.String())
	where, tag := made.Header().Get("Location"), made.Header().Get("ETag")
	require.NotEmpty(t, tag)
	require.Contains(t, made.Body.String(), `"userId":"ann"`)
	require.Contains(t, made.Body.String(), `"isPublic":true`)
	require.JSONEq(t, string(grafana), send(t, h, "viewer", http.MethodGet, where+"/grafana", "").Body.String())
	require.Equal(t, http.StatusNotModified, send(t, h, "viewer", http.MethodGet, where, "", "If-None-Match", tag).Code)

	// What was read is sent back: nothing changes but the version.
	view := send(t, h, "viewer", http.MethodGet, where, "").Body.String()
	require.Equal(t, http.StatusPreconditionRequired, send(t, h, "viewer", http.MethodPut, where, view).Code)
	put := send(t, h, "viewer", http.MethodPut, where, view, "If-Match", tag)
	require.Equal(t, http.StatusOK, put.Code, put.Body.String())
	require.NotEqual(t, tag, put.Header().Get("ETag"))
	require.JSONEq(t, string(grafana), send(t, h, "viewer", http.MethodGet, where+"/grafana", "").Body.String())
	stale := send(t, h, "viewer", http.MethodPut, where, view, "If-Match", tag)
	require.Equal(t, http.StatusPreconditionFailed, stale.Code)

	second := send(t, h, "admin", http.MethodPost, root, `{"name":"A","widgets":[]}`)
	require.Equal(t, http.StatusCreated, second.Code, second.Body.String())
	first := send(t, h, "viewer", http.MethodGet, root+"?limit=1", "")
	require.Contains(t, first.Body.String(), `"name":"A"`)
	require.Contains(t, first.Header().Get("Link"), `rel="next"`)
	for body, param := range map[string]string{
		`{"widgets":[]}`: "name", `{"name":"x"}`: "widgets", `{"name":"x","widgets":[{"type":"cube"}]}`: "widgets.0.type",
		`[]`: "body", `{"name":"x","widgets":[],"colour":1}`: "colour", `{"name":"x","widgets":[],"isPublic":"yes"}`: "isPublic", `{"name":7,"widgets":[]}`: "name",
	} {
		bad := send(t, h, "viewer", http.MethodPost, root, body)
		require.Equal(t, http.StatusBadRequest, bad.Code, body)
		require.Contains(t, bad.Body.String(), fmt.Sprintf(`"param":%q`, param), body)
		require.Contains(t, bad.Body.String(), `"example"`, body)
	}
	require.Equal(t, http.StatusNoContent, send(t, h, "admin", http.MethodDelete, where, "").Code)
	require.Equal(t, http.StatusNotFound, send(t, h, "viewer", http.MethodGet, where, "").Code)
}

// A report asks its questions as whoever downloads it.
func TestReports(t *testing.T) {
	f := &fake{result: sampleResult()}
	h := withDocuments(t, f)
	root := Root + "/reports"
	made := send(t, h, "viewer", http.MethodPost, root, `{"name":"Costs of the week","period":"previous_week","timeZone":"Europe/Berlin",
		"schedule":{"every":"week","at":"07:30"},"isPublic":true,"requests":[{"title":"By day","metrics":["dollars"],"granularity":"day"}]}`)
	require.Equal(t, http.StatusCreated, made.Code, made.Body.String())
	where := made.Header().Get("Location")
	file := send(t, h, "manager", http.MethodGet, where+"/download", "")
	require.Equal(t, http.StatusOK, file.Code, file.Body.String())
	require.True(t, strings.HasPrefix(file.Body.String(), "time,workflow,executions,success_rate,dollars\n"))
	require.Equal(t, `attachment; filename="Costs-of-the-week.csv"`, file.Header().Get("Content-Disposition"))
	require.Equal(t, "manager", string(f.by.Role))
	require.Equal(t, 7*24*time.Hour, f.asked.To.Sub(f.asked.From).Round(24*time.Hour))
	require.Equal(t, time.Monday, f.asked.From.Weekday())
	require.Equal(t, []string{"dollars"}, f.asked.Metrics)

	back := send(t, h, "viewer", http.MethodGet, where, "").Body.String()
	require.Equal(t, http.StatusOK, send(t, h, "viewer", http.MethodPut, where, back, "If-Match", "*").Code)
	two := send(t, h, "viewer", http.MethodPost, root, `{"name":"two","format":"json","requests":[
		{"title":"a/b","metrics":["dollars"],"from":"2026-03-01T00:00:00Z","to":"2026-04-01T00:00:00Z"},
		{"kind":"errors","from":"2026-03-01T00:00:00Z","to":"2026-04-01T00:00:00Z"}]}`)
	require.Equal(t, http.StatusCreated, two.Code, two.Body.String())
	packed := send(t, h, "viewer", http.MethodGet, two.Header().Get("Location")+"/download?from=2026-05-01&to=2026-05-02", "").Body.Bytes()
	require.Equal(t, query.KindErrors, f.asked.Kind)
	require.Equal(t, time.May, f.asked.From.Month())
	files, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	require.NoError(t, err)
	require.Len(t, files.File, 2)
	require.Equal(t, "01-a-b.json", files.File[0].Name)
	for body, param := range map[string]string{
		`{"name":"x","requests":[]}`: "requests", `{"name":"x","requests":[{"metrics":["executions"]}]}`: "period",
		`{"name":"x","period":"ever","requests":[{}]}`: "period", `{"name":"x","period":"yesterday","requests":[{"kind":"nope"}]}`: "requests.0.kind",
		`{"name":"x","period":"yesterday","requests":[{"metric":[]}]}`: "metric", `{"name":"x","period":"yesterday","timeZone":"Local","requests":[{}]}`: "timeZone",
		`{"name":"x","period":"yesterday","schedule":{"every":"day","at":"25:00"},"requests":[{}]}`: "schedule.at",
	} {
		bad := send(t, h, "viewer", http.MethodPost, root, body)
		require.Equal(t, http.StatusBadRequest, bad.Code, body)
		require.Contains(t, bad.Body.String(), fmt.Sprintf(`"param":%q`, param), body)
	}
}

func TestPeriodsOfReports(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 3, 30, 0, 30, 0, 0, berlin) // A Monday, the day after the clock changed.
	for name, want := range map[string]string{
		"yesterday": "2026-03-29 2026-03-30", "last_7_days": "2026-03-23 2026-03-30", "last_30_days": "2026-02-28 2026-03-30",
		"previous_week": "2026-03-23 2026-03-30", "previous_month": "2026-02-01 2026-03-01",
	} {
		from, to := periodOf(name, now)
		require.Equal(t, want, from.Format(time.DateOnly)+" "+to.Format(time.DateOnly), name)
		require.Equal(t, 0, from.Hour()+to.Hour())
	}
}

// A day that has no midnight begins at one, as a date and in a report's period.
func TestDaysWithoutMidnight(t *testing.T) {
	santiago, err := time.LoadLocation("America/Santiago")
	require.NoError(t, err)
	begins := time.Date(2026, 9, 6, 4, 0, 0, 0, time.UTC)
	at, err := instant("from", "2026-09-06", santiago)
	require.NoError(t, err)
	require.Equal(t, begins, at.UTC())
	from, to := periodOf("yesterday", time.Date(2026, 9, 7, 12, 0, 0, 0, santiago))
	require.Equal(t, begins, from.UTC())
	require.Equal(t, begins.Add(23*time.Hour), to.UTC())
}

// Null is no value of what the API describes, however deep. Of Grafana's it is one.
func TestNullsAreRefused(t *testing.T) {
	h := withDocuments(t, &fake{})
	for _, c := range []struct{ path, body, param string }{
		{"/dashboards", `{"name":"A","widgets":[{"type":"line","position":{"x":0,"y":0,"w":4,"h":null}}]}`, "widgets.0.position.h"},
		{"/dashboards", `{"name":"A","widgets":[{"type":"line","title":null}]}`, "widgets.0.title"},
		{"/dashboards", `{"name":"A","widgets":[{"type":"line","visualization":null}]}`, "widgets.0.visualization"},
		{"/dashboards", `{"name":null,"widgets":[]}`, "name"},
		{"/reports", `{"name":"A","format":"csv","period":"yesterday","schedule":{"every":"day","at":null},"requests":[]}`, "schedule.at"},
		{"/reports", `{"name":"A","format":"csv","period":"yesterday","schedule":{"every":"day","at":"00:00"},"requests":[{"metrics":[null]}]}`, "requests.0.metrics.0"},
		{"/query", `{"metrics":["executions",null]}`, "metrics.1"},
		{"/query", `{"metrics":["executions"],"filters":[{"dimension":"workflow","values":[null]}]}`, "filters.0.values.0"},
	} {
		refused := send(t, h, "admin", http.MethodPost, Root+c.path, c.body)
		require.Equal(t, http.StatusBadRequest, refused.Code, c.body)
		require.Contains(t, refused.Body.String(), `"param":"`+c.param+`"`, c.body)
		require.Contains(t, refused.Body.String(), "must not be null: leave it out", c.body)
	}
	nowhere := send(t, h, "admin", http.MethodPost, Root+"/dashboards", `{"name":"A","widgets":[{"type":"line"}]}`)
	require.Equal(t, http.StatusBadRequest, nowhere.Code)
	half := send(t, h, "admin", http.MethodPost, Root+"/dashboards", `{"name":"A","widgets":[{"type":"line","position":{"x":0,"y":0,"w":4}}]}`)
	require.Equal(t, http.StatusBadRequest, half.Code)
	require.Contains(t, half.Body.String(), `"param":"widgets.0.position.h"`)
	made := send(t, h, "admin", http.MethodPost, Root+"/dashboards", `{"name":"A","widgets":[{"type":"line","position":{"x":0,"y":0,"w":4,"h":4},"query":{"targets":[{"hide":null}]},"visualization":{"type":"timeseries","options":{"legend":null}}}]}`)
	require.Equal(t, http.StatusCreated, made.Code, made.Body.String())
}
