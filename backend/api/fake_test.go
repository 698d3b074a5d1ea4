package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// fake records what it is asked and answers what it is told.
type fake struct {
	asked  query.Request
	values query.ValuesRequest
	by     access.Principal
	over   string // what surface
	result *query.Result
	err    error
}

func (f *fake) Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	f.by, f.asked, f.over = p, r, query.Surface(ctx)
	return f.result, f.err
}

func (f *fake) Values(_ context.Context, p access.Principal, r query.ValuesRequest) ([]string, error) {
	f.by, f.values = p, r
	return []string{"a", "b"}, f.err
}

func (*fake) Catalogue() metric.Catalogue { return metric.All() }

func (*fake) Kinds(context.Context) []query.KindInfo { return query.Kinds() }

var errNoKey = errors.New("the request has no API key")

// keys authenticates by a header that holds the role.
type roles struct{}

func (roles) Authenticate(r *http.Request) (access.Principal, error) {
	role := r.Header.Get("X-Role")
	switch role {
	case "":
		return access.Principal{}, errNoKey
	case "down":
		return access.Principal{}, errors.New("keys are not loaded")
	case "ingest":
		return access.Principal{Tenant: "acme", Role: access.RoleAdmin, Scopes: []access.Scope{access.ScopeIngest}}, nil
	}
	return access.Principal{Tenant: "acme", Role: access.Role(role), UserID: "ann", Scopes: []access.Scope{access.ScopeRead}}, nil
}

func newHandler(t *testing.T, analytics Analytics) (http.Handler, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	a, err := New(Config{
		Analytics: analytics, Authenticator: roles{}, Registerer: registry,
		Denied: func(err error) bool { return errors.Is(err, errNoKey) },
	})
	require.NoError(t, err)
	return a.Handler(), registry
}

// call sends a request as a role and returns status, headers and the decoded body.
func call(t *testing.T, h http.Handler, role, method, target, body string) (int, http.Header, map[string]any) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if role != "" {
		req.Header.Set("X-Role", role)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	var out map[string]any
	if rec.Body.Len() > 0 && strings.Contains(rec.Header().Get("Content-Type"), "json") {
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &out), rec.Body.String())
	}
	return rec.Code, rec.Header(), out
}

func ptr(v float64) *float64 { return &v }

func sampleResult() *query.Result {
	berlin, _ := time.LoadLocation("Europe/Berlin")
	day := time.Date(2026, 3, 29, 0, 0, 0, 0, berlin)
	return &query.Result{
		Frame: data.NewFrame("",
			data.NewField("time", nil, []time.Time{day, day.AddDate(0, 0, 1)}),
			data.NewField("workflow", nil, []string{`a "b"`, ""}),
			data.NewField("executions", nil, []*float64{ptr(12345678901), nil}),
			data.NewField("success_rate", nil, []*float64{ptr(0.25), ptr(1e-7)}),
			data.NewField("dollars", nil, []*float64{ptr(0.1), nil}),
		),
		Exact: map[string][]string{"dollars": {"0.100000000000001", ""}},
		Meta:  query.Meta{From: day, To: day.AddDate(0, 0, 2), TimeZone: "Europe/Berlin", Sources: []string{"quarter"}, SQL: []string{"SELECT secret"}},
	}
}
