package plugin

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
	plugins "github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/series"
)

func seriesModel(kind, metric, by string) string {
	param := map[string]string{"forecast": "forecaster", "anomalies": "detector"}[kind]
	return fmt.Sprintf(`{"queryType":%q,"format":"table","granularity":"hour","params":{"metric":%q,%q:%q}}`, kind, metric, param, by)
}

// cells are a frame's values by column.
func cells(f *data.Frame) map[string][]string {
	out := map[string][]string{}
	for _, field := range f.Fields {
		for i := range field.Len() {
			v, ok := field.ConcreteAt(i)
			if at, isTime := v.(time.Time); isTime {
				v = at.UnixMilli()
			}
			out[field.Name] = append(out[field.Name], fmt.Sprint(v, ok))
		}
	}
	return out
}

// The forecasters and detectors of a server are asked about what the datasource has read.
func TestForecastersAndDetectorsOfPlugins(t *testing.T) {
	store, day := newStore(t)
	misbehaves, err := json.Marshal(map[string]any{"mark": "as it was", "metrics": map[string]string{
		"executions_completed": "crash", "duration_avg": "hang", "duration_p95": "few", "executions_failed": "refused",
	}})
	require.NoError(t, err)
	server, h := pluginServer(t, misbehaves, plugins.ExtensionForecaster, plugins.ExtensionDetector)
	open := func(key string) *grafana {
		settings, secrets := settingsOf(t, store.Client.Database(), map[string]any{"serverUrl": server.URL, "timeout": 20})
		secrets["serverKey"] = key
		return newGrafana(t, settings, secrets)
	}
	allowed := func(g *grafana) map[string][]string {
		var catalogue struct{ Kinds []Kind }
		g.get("catalogue", &catalogue)
		out := map[string][]string{}
		for _, k := range catalogue.Kinds {
			for _, p := range k.Params {
				if p.Name == "forecaster" || p.Name == "detector" {
					out[p.Name] = p.Allowed
				}
			}
		}
		return out
	}
	g := open(aKey)

	t.Run("the answer is that of the server", func(t *testing.T) {
		p := h.Plugins(plugins.ExtensionForecaster)[0]
		own, err := query.New(query.Config{
			Client:      store.Client,
			Forecasters: query.Fixed(map[string]query.Forecaster{p.ID(): series.Forecaster{Plugin: p}}),
			Detectors:   query.Fixed(map[string]query.Detector{p.ID(): series.Detector{Plugin: p}}),
		})
		require.NoError(t, err)
		for kind, param := range map[query.Kind]string{query.KindForecast: "forecaster", query.KindAnomalies: "detector"} {
			want, err := own.Do(t.Context(), access.Principal{Tenant: tenant, Role: access.RoleAdmin, Scopes: []access.Scope{access.ScopeRead}}, query.Request{
				Kind: kind, From: day.From, To: day.To, Granularity: query.Hour, Params: map[string]string{"metric": "executions", param: p.ID()},
			})
			require.NoError(t, err)
			got := g.query(day, map[string]string{"A": seriesModel(string(kind), "executions", p.ID())})["A"]
			require.NoError(t, got.Error)
			assert.Equal(t, cells(want.Frame), cells(got.Frames[0]))
			text, err := json.Marshal(got.Frames[0].Meta)
			require.NoError(t, err)
			assert.Contains(t, string(text), "as it was")
			assert.Contains(t, string(text), `"test-misbehave"`)
		}
	})
	t.Run("catalogue", func(t *testing.T) {
		both := []string{"builtin", "test-misbehave"}
		assert.Equal(t, map[string][]string{"forecaster": both, "detector": both}, allowed(g))
	})
	t.Run("what is wrong", func(t *testing.T) {
		for _, c := range []struct {
			metric, by string
			status     backend.Status
			says       string
		}{
			{"executions_completed", "test-misbehave", 503, "plugin test-misbehave: its process has gone"},
			{"duration_avg", "test-misbehave", backend.StatusTimeout, "plugin test-misbehave: no answer within 1s"},
			{"duration_p95", "test-misbehave", backend.StatusBadGateway, "plugin test-misbehave: "},
			{"executions_failed", "test-misbehave", backend.StatusBadRequest, "it wants a year of history"},
			{"executions", "acme-none", backend.StatusBadRequest, "builtin, test-misbehave"},
		} {
			for _, kind := range []string{"forecast", "anomalies"} {
				require.Eventually(t, func() bool {
					return g.query(day, map[string]string{"A": seriesModel(kind, "executions", "test-misbehave")})["A"].Error == nil
				}, time.Minute, 50*time.Millisecond, "it is up again")
				got := g.query(day, map[string]string{"A": seriesModel(kind, c.metric, c.by)})["A"]
				require.ErrorContains(t, got.Error, c.says, kind)
				assert.Equal(t, c.status, got.Status, "%s of %s", kind, c.metric)
				require.NoError(t, g.query(day, map[string]string{"A": seriesModel(kind, c.metric, "builtin")})["A"].Error)
			}
		}
	})
	t.Run("a wrong key", func(t *testing.T) {
		got := open("another").query(day, map[string]string{"A": seriesModel("forecast", "executions", "test-misbehave")})["A"]
		require.ErrorContains(t, got.Error, "does not answer for its plugins")
	})
	t.Run("without a server", func(t *testing.T) {
		settings, secrets := settingsOf(t, store.Client.Database(), nil)
		alone := newGrafana(t, settings, secrets)
		got := alone.query(day, map[string]string{"A": seriesModel("anomalies", "executions", "test-misbehave")})["A"]
		require.ErrorContains(t, got.Error, "setting serverUrl")
		assert.Equal(t, map[string][]string{"forecaster": {"builtin"}, "detector": {"builtin"}}, allowed(alone))
	})
	t.Run("the server is away", func(t *testing.T) {
		server.Close()
		// The list of the plugins is still known to the one that has asked.
		for _, g := range []*grafana{g, open(aKey)} {
			got := g.query(day, map[string]string{"A": seriesModel("forecast", "executions", "test-misbehave")})["A"]
			require.ErrorContains(t, got.Error, "which runs plugins, cannot be asked")
			assert.EqualValues(t, 503, got.Status)
			require.NoError(t, g.query(day, map[string]string{"A": seriesModel("forecast", "executions", "builtin")})["A"].Error)
		}
		assert.Equal(t, map[string][]string{"forecaster": {"builtin"}, "detector": {"builtin"}}, allowed(open(aKey)))
	})
}
