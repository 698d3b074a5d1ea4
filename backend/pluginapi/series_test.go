package pluginapi_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/panel/hosted"
	"github.com/flowgauge/flowgauge/backend/pluginapi"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// scoped lets in whoever comes, with a scope.
type scoped access.Scope

func (s scoped) Authenticate(*http.Request) (access.Principal, error) {
	return access.Principal{Tenant: "acme", Role: access.RoleViewer, Scopes: []access.Scope{access.Scope(s)}}, nil
}

// What Flowgauge would not ask a plugin is refused before one is asked: this one is never started.
func TestWhatIsNoQuestionAboutASeries(t *testing.T) {
	t.Cleanup(hosttest.Remove)
	dir := hosttest.Misbehave(t, func(m *host.Manifest, _ string) {
		m.Extends, m.Permissions = []contract.Extension{contract.ExtensionForecaster, contract.ExtensionDetector}, host.Permissions{}
	})
	h, err := host.New(host.Config{Dir: dir, Use: []host.Use{{ID: "test-misbehave", Timeout: time.Second}}})
	require.NoError(t, err)
	call := func(scope access.Scope, method, path string, body []byte) (status int, text string) {
		t.Helper()
		log := slog.New(slog.DiscardHandler)
		router := gin.New()
		pluginapi.New(h, hosted.New(h, log), scoped(scope), log).Register(router)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(method, "/api/v1/plugins"+path, bytes.NewReader(body)))
		assert.Equal(t, w.Code == http.StatusServiceUnavailable, w.Header().Get("Retry-After") != "")
		return w.Code, w.Body.String()
	}
	status, text := call(access.ScopeRead, http.MethodGet, "/series", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"forecasters":["test-misbehave"],"detectors":["test-misbehave"]}`, text)

	const by = "?plugin=test-misbehave"
	of := func(n int) *contractv1.Series {
		s := &contractv1.Series{Metric: "executions"}
		for i := range n {
			s.Times, s.Values = append(s.Times, int64(i)), append(s.Values, math.NaN())
		}
		return s
	}
	forecast := func(change func(r *contractv1.ForecastRequest)) []byte {
		r := &contractv1.ForecastRequest{Series: of(10_000), Levels: []float64{0.8}}
		for i := range 1000 {
			r.Times = append(r.Times, int64(10_000+i))
		}
		change(r)
		body, err := proto.Marshal(r)
		require.NoError(t, err)
		return body
	}
	detect := func(change func(r *contractv1.DetectRequest)) []byte {
		r := &contractv1.DetectRequest{Series: of(10_000), From: 9999, FalseAlarms: 0.01}
		change(r)
		body, err := proto.Marshal(r)
		require.NoError(t, err)
		return body
	}
	same, alike := func(*contractv1.ForecastRequest) {}, func(*contractv1.DetectRequest) {}
	for _, c := range []struct {
		path   string
		body   []byte
		status int
		says   string
	}{
		// What is allowed gets as far as the plugin, which is down.
		{"/forecast" + by, forecast(same), 503, "test-misbehave is down"},
		{"/detect" + by, detect(alike), 503, "test-misbehave is down"},

		{"/forecast?plugin=acme-none", forecast(same), 400, `there is no forecaster \"acme-none\"`},
		{"/detect", detect(alike), 400, `there is no detector \"\"`},
		{"/forecast" + by, []byte("nonsense"), 400, "flowgauge.plugin.v1.ForecastRequest"},
		{"/forecast" + by, make([]byte, 1<<20+1), 413, "at most"},
		{"/forecast" + by, nil, 400, "series.values: there are 0, want 1 to 10000"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Series = of(10_001) }), 400, "series.values: there are 10001"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Series.Times = r.Series.Times[1:] }), 400, "series.times: there are 9999, for 10000 values"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Series.Times[1] = 0 }), 400, "series.times: they must follow each other"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Series.Values[1] = math.Inf(1) }), 400, "one is infinite"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Series.Unit = string(make([]byte, 201)) }), 400, "series.unit: it has 201 bytes"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Seasons = make([]uint32, 11) }), 400, "seasons: there are 11"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Times = append(r.Times, 11_000) }), 400, "times: there are 1001, want 1 to 1000"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Times[0] = 9999 }), 400, "times: they must follow"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Levels = nil }), 400, "levels: there are 0"},
		{"/forecast" + by, forecast(func(r *contractv1.ForecastRequest) { r.Levels[0] = math.NaN() }), 400, "levels: NaN is not between"},
		{"/detect" + by, detect(func(r *contractv1.DetectRequest) { r.From = 10_000 }), 400, "from: there is no bucket 10000"},
		{"/detect" + by, detect(func(r *contractv1.DetectRequest) { r.FalseAlarms = 0 }), 400, "false_alarms: 0 is not between"},
		{"/detect" + by, detect(func(r *contractv1.DetectRequest) { r.Series = nil }), 400, "series.values: there are 0"},
	} {
		status, text := call(access.ScopeRead, http.MethodPost, c.path, c.body)
		assert.Equal(t, c.status, status, "%s: %s", c.says, text)
		assert.Contains(t, text, c.says)
		assert.True(t, json.Valid([]byte(text)))
		status, _ = call(access.ScopeIngest, http.MethodPost, c.path, c.body)
		assert.Equal(t, http.StatusForbidden, status)
	}
}
