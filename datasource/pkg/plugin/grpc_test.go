package plugin

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/datasourcetest"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// served is the plugin behind gRPC, as Grafana has it; one for all tests, which
// bring an instance of their own each.
var served struct {
	once   sync.Once
	plugin datasourcetest.TestPlugin
	err    error
	lastID atomic.Int64
}

// grafana talks to one configured datasource the way Grafana does.
type grafana struct {
	t      testing.TB
	plugin datasourcetest.TestPlugin
	pc     backend.PluginContext
}

func newGrafana(t testing.TB, settings map[string]any, secrets map[string]string) *grafana {
	t.Helper()
	served.once.Do(func() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			address := listener.Addr().String()
			_ = listener.Close()
			served.plugin, err = datasourcetest.Manage(New, datasourcetest.ManageOpts{Address: address})
		}
		served.err = err
	})
	require.NoError(t, served.err)
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	return &grafana{t: t, plugin: served.plugin, pc: backend.PluginContext{
		PluginID: ID,
		User:     &backend.User{Login: "admin", Role: "Admin"},
		DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
			ID: served.lastID.Add(1), UID: t.Name(), Type: ID, Name: "Flowgauge",
			JSONData: text, DecryptedSecureJSONData: secrets, Updated: time.Now(),
		},
	}}
}

// settingsOf are those of a datasource on the test's database, as the user that
// may only read; change overrides them.
func settingsOf(t testing.TB, database string, change map[string]any) (settings map[string]any, secrets map[string]string) {
	t.Helper()
	e := enginetest.Start(t)
	settings = map[string]any{
		"host": e.Host, "port": e.TCPPort, "database": database, "username": e.Reader.Name, "tenant": tenant,
	}
	for k, v := range change {
		settings[k] = v
	}
	return settings, map[string]string{"password": e.Reader.Password}
}

func grafanaOn(t testing.TB, store *querytest.Store, change map[string]any) *grafana {
	t.Helper()
	settings, secrets := settingsOf(t, store.Client.Database(), change)
	return newGrafana(t, settings, secrets)
}

// query runs queries of the JSON model over a period; the key is the refId.
func (g *grafana) query(period backend.TimeRange, models map[string]string) backend.Responses {
	g.t.Helper()
	req := &backend.QueryDataRequest{PluginContext: g.pc}
	for refID, model := range models {
		req.Queries = append(req.Queries, backend.DataQuery{
			RefID: refID, TimeRange: period, Interval: time.Minute, MaxDataPoints: 1000, JSON: json.RawMessage(model),
		})
	}
	out, err := g.plugin.Client.QueryData(g.ctx(), req)
	require.NoError(g.t, err)
	return out.Responses
}

func (g *grafana) health() (*backend.CheckHealthResult, health) {
	g.t.Helper()
	out, err := g.plugin.Client.CheckHealth(g.ctx(), &backend.CheckHealthRequest{PluginContext: g.pc})
	require.NoError(g.t, err)
	var details health
	require.NoError(g.t, json.Unmarshal(out.JSONDetails, &details))
	return out, details
}

// get calls a resource and decodes its answer.
func (g *grafana) get(target string, into any) (status int, contentType string) {
	g.t.Helper()
	path, _, _ := strings.Cut(target, "?")
	var got *backend.CallResourceResponse
	err := g.plugin.Client.CallResource(g.ctx(), &backend.CallResourceRequest{
		PluginContext: g.pc, Method: "GET", Path: path, URL: target,
	}, backend.CallResourceResponseSenderFunc(func(r *backend.CallResourceResponse) error {
		got = r
		return nil
	}))
	require.NoError(g.t, err)
	require.NoError(g.t, json.Unmarshal(got.Body, into), string(got.Body))
	return got.Status, got.Headers["Content-Type"][0]
}

func (g *grafana) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	g.t.Cleanup(cancel)
	return ctx
}
