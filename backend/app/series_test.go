package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// executionsByHour sends so many executions and costs of a dollar in each hour from a Monday on.
func executionsByHour(s *server, hours int, count func(hour int) int) {
	s.t.Helper()
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	var body strings.Builder
	for h := range hours {
		for n := range count(h) {
			at := from.Add(time.Duration(h)*time.Hour + time.Duration(n)*time.Minute).Format(time.RFC3339)
			fmt.Fprintf(&body, `{"kind":"execution","id":"e-%d-%d","timestamp":%q,"workflowId":"w","status":"completed","duration":5}`+"\n", h, n, at)
			fmt.Fprintf(&body, `{"kind":"cost","id":"c-%d-%d","timestamp":%q,"userId":"ann","actionType":"call","credits":"2","dollarAmount":"1"}`+"\n", h, n, at)
		}
	}
	status, answer := s.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(body.String()))
	require.Equal(s.t, http.StatusAccepted, status, "%s", answer)
	s.settle()
}

// allowed are the values that the catalogue has for a parameter.
func (s *server) allowed(kind, param string) []string {
	s.t.Helper()
	status, body := s.call(http.MethodGet, "/api/v1/analytics/catalogue", "", nil)
	require.Equal(s.t, http.StatusOK, status)
	var catalogue struct {
		Kinds []struct {
			Kind   string
			Params []struct {
				Name    string
				Allowed []string
			}
		}
	}
	require.NoError(s.t, json.Unmarshal(body, &catalogue))
	for _, k := range catalogue.Kinds {
		for _, p := range k.Params {
			if k.Kind == kind && p.Name == param {
				return p.Allowed
			}
		}
	}
	return nil
}

// From 'plugin new' to a forecast and to anomalies of one's own.
func TestAForecasterAndADetectorOfOnesOwn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for kind, id := range map[string]string{"forecaster": "acme-week", "detector": "acme-changes"} {
		out, err := exec.Command(program, "plugin", "install", ownPlugin(t, kind, id), "--data-dir", data).CombinedOutput()
		require.NoError(t, err, string(out))
		assert.NotContains(t, string(out), "on_failure")
	}
	config := filepath.Join(t.TempDir(), "flowgauge.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`plugins:
  use:
    - {id: acme-week, timeout: 30s}
    - {id: acme-changes, timeout: 30s, settings: {change: 0.6, least: 2}}
`), 0o600))
	s := up(t, data, "--config", config)
	const hours, spike = 28 * 24, 25*24 + 9
	count := func(h int) int {
		if h == spike {
			return 12
		}
		return 1 + h%24/6 // 1 to 4
	}
	executionsByHour(s, hours, count)
	assert.Equal(t, []string{"builtin", "acme-week"}, s.allowed("forecast", "forecaster"))
	assert.Equal(t, []string{"builtin", "acme-changes"}, s.allowed("anomalies", "detector"))

	status, body := s.call(http.MethodPost, "/api/v1/analytics/query", "application/json", strings.NewReader(
		`{"kind":"forecast","granularity":"hour","from":"2026-01-05T00:00:00Z","to":"2026-02-02T00:00:00Z","params":{"metric":"executions","horizon":"48","forecaster":"acme-week"}}`))
	require.Equal(t, http.StatusOK, status, "%s", body)
	var answer struct {
		Data []struct {
			Value, Forecast *float64
			Lower95         float64 `json:"lower_95"`
			Upper95         float64 `json:"upper_95"`
		}
		Meta struct {
			Forecast struct {
				Forecaster, Method string
				Accuracy           struct {
					Windows    int
					SMAPE      float64
					Coverage95 float64
				}
				Total struct{ Expected float64 }
			}
		}
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	require.Len(t, answer.Data, hours+48)
	sum := 0.0
	for h, row := range answer.Data[hours:] {
		assert.InDelta(t, count(hours-168+h), *row.Forecast, 0)
		assert.LessOrEqual(t, row.Lower95, *row.Forecast)
		sum += *row.Forecast
	}
	f := answer.Meta.Forecast
	assert.Equal(t, []any{"acme-week", "as 168 buckets before"}, []any{f.Forecaster, f.Method})
	assert.Equal(t, 14, f.Accuracy.Windows)
	assert.Less(t, f.Accuracy.SMAPE, 5.0, "the pattern is nearly exact")
	assert.Greater(t, f.Accuracy.Coverage95, 0.9)
	assert.InDelta(t, sum, f.Total.Expected, 1e-6)

	rows := s.ask(`{"kind":"anomalies","from":"2026-01-26T00:00:00Z","to":"2026-02-02T00:00:00Z","params":{"metric":"executions","detector":"acme-changes"}}`)
	require.Len(t, rows, 7*24)
	for i, r := range rows {
		if h := 21*24 + i; h == spike {
			assert.EqualValues(t, 12, r.number(t, "anomaly"))
			assert.Equal(t, "12 instead of 2 at the same time before", r.text("reason"))
			continue
		}
		assert.Nil(t, r["anomaly"], i)
		assert.NotNil(t, r["expected"], i)
	}
	rows = s.ask(`{"kind":"anomalies","from":"2026-01-26T00:00:00Z","to":"2026-02-02T00:00:00Z","params":{"metric":"executions"}}`)
	assert.EqualValues(t, 12, rows[spike-21*24].number(t, "anomaly"), "Flowgauge's own finds it too")

	// A budget that the plugin forecasts.
	status, body = s.call(http.MethodPut, "/api/v1/analytics/costs/budgets", "application/json", strings.NewReader(
		`{"id":"monthly","name":"Monthly","of":"dollars","amount":"100000","period":{"unit":"month"},"forecaster":"acme-none"}`))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, string(body), "builtin, acme-week")
	status, body = s.call(http.MethodPut, "/api/v1/analytics/costs/budgets", "application/json", strings.NewReader(
		`{"id":"monthly","name":"Monthly","of":"dollars","amount":"100000","period":{"unit":"month"},"forecaster":"acme-week"}`))
	require.Equal(t, http.StatusOK, status, "%s", body)
	status, body = s.call(http.MethodPost, "/api/v1/analytics/query", "application/json", strings.NewReader(
		`{"kind":"budgets","from":"2026-01-19T00:00:00Z","to":"2026-01-20T00:00:00Z","params":{"budget":"monthly"}}`))
	require.Equal(t, http.StatusOK, status, "%s", body)
	assert.Contains(t, string(body), "as 7 buckets before")
}

// What a plugin does wrong fails the question that named it, with the reason, and nothing else.
func TestAForecasterThatMisbehaves(t *testing.T) {
	data := t.TempDir()
	hosttest.Install(t, filepath.Join(data, "plugins"), func(m *host.Manifest, _ string) {
		m.Extends, m.Permissions = []contract.Extension{contract.ExtensionForecaster, contract.ExtensionDetector}, host.Permissions{}
	})
	config := filepath.Join(t.TempDir(), "flowgauge.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`plugins:
  use:
    - id: test-misbehave
      timeout: 2s
      settings:
        mark: as it was
        metrics: {dollars: crash, credits: hang, executions: nan, cost_records: few, dollars_charged: crossed, credits_charged: error, executions_completed: refused}
`), 0o600))
	s := up(t, data, "--config", config)
	executionsByHour(s, 20*24, func(h int) int { return 1 + h%24/12 })
	ask := func(kind, metric, by string) (int, string) {
		param := map[string]string{"forecast": "forecaster", "anomalies": "detector"}[kind]
		status, body := s.call(http.MethodPost, "/api/v1/analytics/query", "application/json", strings.NewReader(fmt.Sprintf(
			`{"kind":%q,"granularity":"day","from":"2026-01-10T00:00:00Z","to":"2026-01-25T00:00:00Z","params":{"metric":%q,%q:%q}}`, kind, metric, param, by)))
		return status, string(body)
	}
	answers := func(kind string) bool {
		status, body := ask(kind, "duration_avg", "test-misbehave")
		return status == http.StatusOK && strings.Contains(body, "as it was")
	}
	for _, tc := range []struct {
		metric            string
		status            int
		forecast, anomaly string
	}{
		{"dollars", http.StatusServiceUnavailable, "its process has gone", "its process has gone"},
		{"credits", http.StatusGatewayTimeout, "no answer within 2s (timeout)", "no answer within 2s (timeout)"},
		{"executions", http.StatusBadGateway, "values[0]: NaN is no finite number", "anomalies[0].score: NaN is no finite number"},
		{"cost_records", http.StatusBadGateway, "values: there are 29, for 30 buckets", "there is no bucket 20"},
		{"dollars_charged", http.StatusBadGateway, "that of level 0.8, at 0, is", "anomalies[0]: what is usual is 2 to 1"},
		{"credits_charged", http.StatusBadGateway, "the model is not loaded", "the model is not loaded"},
		{"executions_completed", http.StatusBadRequest, "it wants a year of history", "it wants a year of history"},
	} {
		for kind, want := range map[string]string{"forecast": tc.forecast, "anomalies": tc.anomaly} {
			require.Eventually(t, func() bool { return answers(kind) }, time.Minute, 50*time.Millisecond, "it comes back before %s of %s", kind, tc.metric)
			status, body := ask(kind, tc.metric, "test-misbehave")
			assert.Equal(t, tc.status, status, "%s of %s: %s", kind, tc.metric, body)
			assert.Contains(t, body, want, "%s of %s", kind, tc.metric)
			assert.Contains(t, body, "test-misbehave")
			status, body = ask(kind, tc.metric, "builtin")
			assert.Equal(t, http.StatusOK, status, "%s", body)
			assert.NotContains(t, body, "as it was")
		}
	}
	status, body := ask("forecast", "dollars", "acme-none")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body, `"allowed":["builtin","test-misbehave"]`)
}
