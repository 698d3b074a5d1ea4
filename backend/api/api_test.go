package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/host"
)

const period = "from=2026-03-29&to=2026-03-31T00:00:00%2B02:00"

func TestExecutionsAsksWhatTheURLSays(t *testing.T) {
	f := &fake{result: sampleResult()}
	h, _ := newHandler(t, f)
	status, _, _ := call(t, h, "viewer", http.MethodGet, Root+"/executions?"+period+
		"&timeZone=Europe/Berlin&granularity=day&groupBy=workflowId,%20trigger_type&metrics=executions,duration_p95"+
		"&compare=previous_week&limit=5&orderBy=duration_p95&order=asc&workflow=a&workflowId=b&workflow=c,d&version=2", "")
	require.Equal(t, http.StatusOK, status)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	require.True(t, f.asked.From.Equal(time.Date(2026, 3, 29, 0, 0, 0, 0, berlin)), f.asked.From)
	require.True(t, f.asked.To.Equal(time.Date(2026, 3, 30, 22, 0, 0, 0, time.UTC)), f.asked.To)
	f.asked.From, f.asked.To = time.Time{}, time.Time{}
	require.Equal(t, query.Request{
		Metrics: []string{"executions", "duration_p95"}, Granularity: query.Day, TimeZone: "Europe/Berlin",
		GroupBy: []string{"workflow", "trigger_type"}, OrderBy: "duration_p95", Ascending: true, Limit: 5, Compare: query.PreviousWeek,
		Filters: []query.Filter{
			{Dimension: "workflow", Operator: query.In, Values: []string{"a", "c,d", "b"}},
			{Dimension: "version", Operator: query.In, Values: []string{"2"}},
		},
	}, f.asked)
	require.Equal(t, access.RoleViewer, f.by.Role)
	require.Equal(t, "ann", f.by.UserID)
}

func TestRowsAreObjects(t *testing.T) {
	h, _ := newHandler(t, &fake{result: sampleResult()})
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Root+"/costs?"+period, nil)
	req.Header.Set("X-Role", "admin")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	//nolint:testifylint // The order of the members counts.
	require.Equal(t, `{"data":[`+
		`{"time":"2026-03-29T00:00:00+01:00","workflow":"a \"b\"","executions":12345678901,"success_rate":0.25,"dollars":"0.100000000000001"},`+
		`{"time":"2026-03-30T00:00:00+02:00","workflow":"","executions":null,"success_rate":1e-07,"dollars":null}],`+
		`"meta":{"from":"2026-03-29T00:00:00+01:00","to":"2026-03-31T00:00:00+02:00","timeZone":"Europe/Berlin","sources":["quarter"],`+
		`"pendingBuckets":0,"partialPeriod":false,"truncated":false,"rowsRead":0}}`, rec.Body.String())
}

func TestWrongParameters(t *testing.T) {
	h, _ := newHandler(t, &fake{result: sampleResult()})
	for _, tc := range []struct{ name, target, param string }{
		{"no from", "/executions?to=2026-03-31", "from"},
		{"no to", "/executions?from=2026-03-31", "to"},
		{"bad time", "/executions?from=yesterday&to=2026-03-31", "from"},
		{"plus became a space", "/executions?from=2026-03-29T00:00:00+02:00&to=2026-03-31", "from"},
		{"twice", "/executions?from=2026-03-29&from=2026-03-30&to=2026-03-31", "from"},
		{"unknown", "/executions?" + period + "&grnularity=day", "grnularity"},
		{"dimension of another area", "/executions?" + period + "&action_type=x", "action_type"},
		{"metric of another area", "/executions?" + period + "&metrics=dollars", "metrics"},
		{"zone", "/executions?" + period + "&timeZone=Local", "timeZone"},
		{"zone as path", "/executions?" + period + "&timeZone=../etc/passwd", "timeZone"},
		{"limit", "/executions?" + period + "&limit=-1", "limit"},
		{"order", "/executions?" + period + "&order=up", "order"},
		{"nothing as a number", "/executions?" + period + "&limit=", "limit"},
		{"granularity", "/executions?" + period + "&granularity=year", "granularity"},
		{"zero byte", "/executions?" + period + "&workflow=a%00b", "workflow"},
		{"no text", "/executions?" + period + "&workflow=%ff", "workflow"},
		{"no query string", "/executions?" + period + "&workflow=%zz", "query"},
		{"version", "/executions?" + period + "&version=one", "version"},
		{"limit of errors", "/executions/errors?" + period + "&limit=1001", "limit"},
		{"summary has no granularity", "/executions/summary?" + period + "&granularity=day", "granularity"},
		{"summary by error", "/executions/summary?" + period + "&error_type=x", "error_type"},
		{"errors have no metrics", "/executions/errors?" + period + "&metrics=executions", "metrics"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, header, body := call(t, h, "admin", http.MethodGet, Root+tc.target, "")
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, "application/problem+json", header.Get("Content-Type"))
			require.Equal(t, tc.param, body["param"])
			require.NotEmpty(t, body["detail"])
			require.NotEmpty(t, body["example"])
			require.InDelta(t, http.StatusBadRequest, body["status"], 0)
		})
	}
	_, _, body := call(t, h, "admin", http.MethodGet, Root+"/costs?"+period+"&nope=1&also=2", "")
	require.Contains(t, body["detail"], "also, nope")
	require.Contains(t, body["allowed"], "granularity")
	require.Contains(t, body["allowed"], "action_type")
	require.NotContains(t, body["allowed"], "trigger_type")
}

func TestWhoMayAsk(t *testing.T) {
	h, _ := newHandler(t, &fake{result: sampleResult()})
	target := Root + "/executions?" + period
	status, header, _ := call(t, h, "", http.MethodGet, target, "")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, header.Get("WWW-Authenticate"), "Bearer")
	status, _, _ = call(t, h, "ingest", http.MethodGet, target, "")
	require.Equal(t, http.StatusForbidden, status)
	status, header, _ = call(t, h, "down", http.MethodGet, target, "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NotEmpty(t, header.Get("Retry-After"))
	status, _, _ = call(t, h, "admin", http.MethodGet, target, "")
	require.Equal(t, http.StatusOK, status)
	status, _, _ = call(t, h, "", http.MethodGet, Root+"/openapi.yaml", "")
	require.Equal(t, http.StatusOK, status)
}

func TestErrorsBecomeProblems(t *testing.T) {
	database := func(class clickhouse.Class) error {
		return fmt.Errorf("read: %w", &clickhouse.Error{Class: class, Err: errors.New("SELECT secret FROM table")})
	}
	for _, tc := range []struct {
		err    error
		status int
		retry  bool
	}{
		{&query.RequestError{Param: "groupBy", Message: "no such dimension", Allowed: []string{"workflow"}}, http.StatusBadRequest, false},
		{&query.AccessError{Message: "for administrators"}, http.StatusForbidden, false},
		{database(clickhouse.ClassUnavailable), http.StatusServiceUnavailable, true},
		{database(clickhouse.ClassOverloaded), http.StatusServiceUnavailable, true},
		{database(clickhouse.ClassLimit), http.StatusUnprocessableEntity, false},
		{database(clickhouse.ClassPermanent), http.StatusInternalServerError, false},
		{database(clickhouse.ClassAuth), http.StatusInternalServerError, false},
		{context.DeadlineExceeded, http.StatusGatewayTimeout, false},
		{errors.New("secret"), http.StatusInternalServerError, false},

		// What a plugin did instead of answering is the same of every extension.
		{fmt.Errorf("forecast: %w", &host.DownError{ID: "acme-week", Why: errors.New("it is being started")}), http.StatusServiceUnavailable, true},
		{fmt.Errorf("forecast: %w", &host.FailedError{ID: "acme-week", Why: errors.New("its process has gone"), Gone: true}), http.StatusServiceUnavailable, true},
		{fmt.Errorf("forecast: %w", &host.FailedError{ID: "acme-week", Why: errors.New("no answer within 2s"), Late: true}), http.StatusGatewayTimeout, false},
		{fmt.Errorf("forecast: %w", &host.FailedError{ID: "acme-week", Why: errors.New("values[0]: NaN is no finite number")}), http.StatusBadGateway, false},
		{&query.PluginError{Fault: query.PluginDown, Message: "plugin acme-slo is down"}, http.StatusServiceUnavailable, true},
		{&query.PluginError{Fault: query.PluginWrong, Message: "plugin acme-slo: its answer has no columns"}, http.StatusBadGateway, false},
	} {
		h, registry := newHandler(t, &fake{err: tc.err})
		status, header, body := call(t, h, "admin", http.MethodGet, Root+"/activity?"+period, "")
		require.Equal(t, tc.status, status, tc.err)
		require.Equal(t, tc.retry, header.Get("Retry-After") != "", tc.err)
		require.NotContains(t, fmt.Sprint(body), "secret")
		require.Equal(t, 1, testutil.CollectAndCount(registry, "flowgauge_api_request_duration_seconds"))
	}
}

func TestQueryTakesARequest(t *testing.T) {
	f := &fake{result: sampleResult()}
	h, _ := newHandler(t, f)
	status, _, _ := call(t, h, "admin", http.MethodPost, Root+"/query",
		`{"metrics":["steps"],"from":"2026-03-01T00:00:00Z","to":"2026-04-01T00:00:00Z","filters":[{"dimension":"step","operator":"not_in","values":["x"]}]}`)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []query.Filter{{Dimension: "step", Operator: query.NotIn, Values: []string{"x"}}}, f.asked.Filters)
	for _, body := range []string{"", "[]", `{"metric":["steps"]}`, `{"metrics":"steps"}`, `{"limit":"3"}`, `{"from":"soon"}`, `{} {}`, `{"metrics":[`} {
		status, _, problem := call(t, h, "admin", http.MethodPost, Root+"/query", body)
		require.Equal(t, http.StatusBadRequest, status, body)
		require.NotEmpty(t, problem["detail"], body)
	}
	status, _, _ = call(t, h, "admin", http.MethodGet, Root+"/query", "")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	status, _, problem := call(t, h, "admin", http.MethodGet, Root+"/nowhere", "")
	require.Equal(t, http.StatusNotFound, status)
	require.NotEmpty(t, problem["type"])
}

func TestValues(t *testing.T) {
	f := &fake{}
	h, _ := newHandler(t, f)
	status, _, body := call(t, h, "admin", http.MethodGet, Root+"/values/stepId?"+period+"&search=fe&limit=7&workflow=a", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []any{"a", "b"}, body["data"])
	require.Equal(t, "step", f.values.Dimension)
	require.Equal(t, "fe", f.values.Search)
	require.Equal(t, 7, f.values.Limit)
	require.Len(t, f.values.Filters, 1)
}
