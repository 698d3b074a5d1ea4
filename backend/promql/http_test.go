package promql

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
)

// keys knows two keys: one of an administrator, one of the viewer ann.
type keys struct{}

var errUnknownKey = errors.New("no such key")

func (keys) Authenticate(r *http.Request) (access.Principal, error) {
	switch r.Header.Get("Authorization") {
	case "Bearer fg_admin":
		return admin, nil
	case "Bearer fg_ann":
		return access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann", Scopes: []access.Scope{access.ScopeRead}}, nil
	case "Bearer fg_ingest":
		return access.Principal{Tenant: "acme", Role: access.RoleAdmin, Scopes: []access.Scope{access.ScopeIngest}}, nil
	case "Bearer fg_other":
		return access.Principal{Tenant: "other", Role: access.RoleAdmin, Scopes: []access.Scope{access.ScopeRead}}, nil
	}
	return access.Principal{}, errUnknownKey
}

func serve(t testing.TB, store Store, l Limits) *httptest.Server {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	a, err := New(Config{Store: store, Authenticator: keys{}, Limits: l, Version: "v1.2.3", Now: func() time.Time { return testNow }})
	require.NoError(t, err)
	server := httptest.NewServer(a.Handler())
	t.Cleanup(server.Close)
	return server
}

type basicAuth struct{ secret string }

func (b basicAuth) RoundTrip(r *http.Request) (*http.Response, error) {
	r.SetBasicAuth("anything", b.secret)
	return http.DefaultTransport.RoundTrip(r)
}

func client(t testing.TB, server *httptest.Server, secret string) v1.API {
	t.Helper()
	c, err := api.NewClient(api.Config{Address: server.URL + Root, RoundTripper: basicAuth{secret}})
	require.NoError(t, err)
	return v1.NewAPI(c)
}

// get returns status and body.
func get(t testing.TB, server *httptest.Server, secret, path string, form url.Values) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, server.URL+Root+"/api/v1/"+path+"?"+form.Encode(), nil)
	require.NoError(t, err)
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func TestAClientOfPrometheusWorksUnchanged(t *testing.T) {
	events := sampleEvents(120, 3)
	server := serve(t, newStore(t, events), Limits{})
	c := client(t, server, "fg_admin")
	ctx := context.Background()

	info, err := c.Buildinfo(ctx)
	require.NoError(t, err)
	require.Equal(t, "3.16.0", info.Version)
	require.Equal(t, "v1.2.3", info.Revision)

	// Grafana's test of a datasource, and what its query editor asks.
	v, warnings, _, err := c.Query(ctx, "1+1", testNow)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, "scalar: 2 @[1772427737]", v.String())
	names, _, _, err := c.LabelNames(ctx, nil, dayStart, testNow)
	require.NoError(t, err)
	require.Equal(t, model.LabelNames{"__name__", "action", "action_type", "error_type", "resource", "status", "step", "step_type", "trigger_type", "user", "version", "workflow"}, names)
	values, _, _, err := c.LabelValues(ctx, "workflow", []string{"flowgauge_steps_total"}, dayStart, testNow)
	require.NoError(t, err)
	require.Equal(t, model.LabelValues{"wf-a", "wf-b"}, values)
	metrics, _, _, err := c.LabelValues(ctx, "__name__", nil, dayStart, testNow)
	require.NoError(t, err)
	require.Contains(t, metrics, model.LabelValue("flowgauge_executions_total"))
	require.Contains(t, metrics, model.LabelValue("flowgauge_executions_running"))
	series, _, _, err := c.Series(ctx, []string{`flowgauge_actions_total{action="login"}`, `flowgauge_actions_total{resource="wf"}`}, dayStart, testNow)
	require.NoError(t, err)
	require.Equal(t, []model.LabelSet{
		{"__name__": "flowgauge_actions_total", "action": "login", "resource": "run"},
		{"__name__": "flowgauge_actions_total", "action": "login", "resource": "wf"},
		{"__name__": "flowgauge_actions_total", "action": "view", "resource": "wf"},
	}, series)
	none, _, _, err := c.Series(ctx, []string{"flowgauge_actions_total"}, testNow.Add(time.Hour), testNow.Add(2*time.Hour))
	require.NoError(t, err)
	require.Empty(t, none)
	meta, err := c.Metadata(ctx, "flowgauge_executions_total", "")
	require.NoError(t, err)
	require.Equal(t, map[string][]v1.Metadata{"flowgauge_executions_total": {{Type: v1.MetricTypeCounter, Help: "Executions that ended."}}}, meta)
	rules, err := c.Rules(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, rules.Groups)
	alerts, err := c.Alerts(ctx)
	require.NoError(t, err)
	require.Empty(t, alerts.Alerts)
	exemplars, err := c.QueryExemplars(ctx, "flowgauge_executions_total", dayStart, testNow)
	require.NoError(t, err)
	require.Empty(t, exemplars)

	logins := 0.0
	for i := range events {
		if events[i].Action == "login" && events[i].Time < testNow.Truncate(time.Minute).UnixMilli() {
			logins++
		}
	}
	v, _, _, err = c.Query(ctx, `sum(flowgauge_actions_total{action="login"})`, testNow)
	require.NoError(t, err)
	require.InDelta(t, logins, float64(v.(model.Vector)[0].Value), 0)
	v, _, _, err = c.QueryRange(ctx, "rate(flowgauge_execution_duration_seconds[30m])", v1.Range{Start: dayStart.Add(2 * time.Hour), End: testNow, Step: time.Minute})
	require.NoError(t, err)
	require.NotEmpty(t, v.(model.Matrix)[0].Histograms)
	_, _, _, err = c.Query(ctx, "sum(", testNow)
	require.ErrorContains(t, err, `bad_data: invalid parameter "query": 1:5: parse error: unclosed left parenthesis`)
}

// The bodies are those of Prometheus 3.16 to the same requests.
func TestAnswersAreSpelledAsPrometheusDoes(t *testing.T) {
	server := serve(t, newStore(t, sampleEvents(20, 5)), Limits{Series: 3, Length: 2000})
	at := "1772424000"
	ranged := func(query, start, end, step string) url.Values {
		return url.Values{"query": {query}, "start": {start}, "end": {end}, "step": {step}}
	}
	for _, c := range []struct {
		path   string
		form   url.Values
		status int
		body   string
	}{
		{"query", url.Values{"query": {"1+1"}, "time": {at}}, 200, `{"status":"success","data":{"resultType":"scalar","result":[1772424000,"2"]}}`},
		{"query", url.Values{"query": {`"it's"`}, "time": {at + ".5"}}, 200, `{"status":"success","data":{"resultType":"string","result":[1772424000.5,"it's"]}}`},
		{"query", url.Values{"query": {"vector(1/0)"}, "time": {at}}, 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1772424000,"+Inf"]}]}}`},
		{"query", url.Values{"query": {"nothing"}, "time": {at}}, 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{"query_range", ranged("vector(2)", at, "1772424060", "60"), 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1772424000,"2"],[1772424060,"2"]]}]}}`},
		{"query_range", ranged("1", at, "1772423000", "60"), 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"end\": end timestamp must not be before start time"}`},
		{"query_range", ranged("1", at, at, "0"), 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"}`},
		{"query_range", ranged("1", "0", at, "1"), 400, `{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"}`},
		{"query_range", ranged("1", "x", at, "1"), 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"start\": cannot parse \"x\" to a valid timestamp"}`},
		{"query", url.Values{"query": {`a{b=~"("}`}}, 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:3: parse error: error parsing regexp: missing closing ): ` + "`(`" + `"}`},
		{"query", url.Values{"query": {"sum(rate(m[5m]) * 2"}}, 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:20: parse error: unclosed left parenthesis"}`},
		{"series", url.Values{}, 400, `{"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}`},
		{"series", url.Values{"match[]": {`{a=""}`}}, 400, `{"status":"error","errorType":"bad_data","error":"match[] must contain at least one non-empty matcher"}`},
		{"format_query", url.Values{"query": {"sum by(a)(b)"}}, 200, `{"status":"success","data":"sum by (a) (b)"}`},
		{"label/workflow/values", url.Values{"match[]": {"nothing"}}, 200, `{"status":"success","data":[]}`},
		{"rules", nil, 200, `{"status":"success","data":{"groups":[]}}`},
		{"alerts", nil, 200, `{"status":"success","data":{"alerts":[]}}`},
		{"query_exemplars", url.Values{"query": {"a"}}, 200, `{"status":"success","data":[]}`},
		{"metadata", url.Values{"metric": {"nothing"}}, 200, `{"status":"success","data":{}}`},
		{"query", url.Values{"query": {"flowgauge_executions_total"}, "time": {at}}, 422, `{"status":"error","errorType":"execution","error":"expanding series: the selector has more than 3 series: choose fewer with matchers, or sum them up: sum by (workflow) (…)"}`},
		{"query", url.Values{"query": {strings.Repeat("1+", 1000) + "1"}}, 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": the query has 2001 bytes, allowed are 2000"}`},
		{"query", url.Values{"query": {`a{b=~"(` + strings.Repeat("x", 60) + `){1000}"}`}}, 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": the regular expressions are too large: they may have 50000 states, and there may be 100 of them"}`},
	} {
		status, body := get(t, server, "fg_admin", c.path, c.form)
		require.Equal(t, c.status, status, "%s %v: %s", c.path, c.form, body)
		require.JSONEq(t, c.body, body)
	}
	status, body := get(t, server, "", "query", url.Values{"query": {"1"}})
	require.Equal(t, http.StatusUnauthorized, status, body)
	status, body = get(t, server, "fg_ingest", "query", url.Values{"query": {"1"}})
	require.Equal(t, http.StatusForbidden, status, body)
}

func TestTooManySamplesAreRefused(t *testing.T) {
	server := serve(t, newStore(t, sampleEvents(20, 5)), Limits{Samples: 100})
	status, body := get(t, server, "fg_admin", "query", url.Values{"query": {"sum(avg_over_time(flowgauge_actions_total[4h]))"}, "time": {"1772427600"}})
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.JSONEq(t, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`, body)
}

// A viewer's answers are those of a database that has nothing but their rows, at the
// ends of quarters of an hour, and nothing else that the server says names others.
func TestViewersSeeTheirOwn(t *testing.T) {
	events := sampleEvents(200, 7)
	var own []event.Event
	for i := range events {
		if events[i].UserID == "ann" {
			own = append(own, events[i])
		}
	}
	store := newStore(t, events)
	ann := access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	a := newTestAPI(t, store, ann)
	db := newReference(t, own, true)
	for _, text := range []string{
		"flowgauge_executions_total", "sum by (workflow) (flowgauge_executions_total)", "sum(rate(flowgauge_cost_dollars_charged_total[1h]))", "flowgauge_user_actions_total",
		"flowgauge_executions_running", "histogram_quantile(0.9, sum(increase(flowgauge_execution_duration_seconds[2h])))", `flowgauge_user_executions_total{user=~".*"}`,
		"count by (user) (flowgauge_user_executions_total)", `flowgauge_user_executions_total{user="bob"}`, `sum(flowgauge_steps_total{workflow=~".+"})`,
	} {
		for _, at := range evaluations() {
			equal(t, text, evaluate(t, a.engine, db, text, at), evaluate(t, a.engine, a.queryable(ann, parsed(t, text), lookback), text, at))
		}
	}
	server := serve(t, store, Limits{})
	for _, path := range []string{"labels", "label/user/values", "label/workflow/values", "series", "query", "metadata"} {
		for _, secret := range []string{"fg_ann", "fg_other"} {
			form := url.Values{"query": {`{__name__=~"flowgauge_.+"}`}, "match[]": {`{__name__=~"flowgauge_.+"}`}, "time": {"1772427600"}}
			status, body := get(t, server, secret, path, form)
			require.Equal(t, http.StatusOK, status, body)
			require.NotContains(t, body, `"bob"`, path)
			require.NotContains(t, body, `"cem"`, path)
			if secret == "fg_other" && path != "metadata" {
				var answer struct {
					Data json.RawMessage `json:"data"`
				}
				require.NoError(t, json.Unmarshal([]byte(body), &answer))
				require.Contains(t, []string{`[]`, `{"resultType":"vector","result":[]}`}, string(answer.Data), path)
			}
		}
	}
}

var _ Store = (*query.Engine)(nil)
