package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/datasourcetest"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/backend/engine"
)

// datasource is the datasource plugin's own process, started and spoken to as
// Grafana does: the binary, the handshake, gRPC, and nothing of the caller's
// environment.
type datasource struct {
	t      testing.TB
	client datasourcetest.TestPluginClient
	pc     backend.PluginContext
}

// datasourceBinary builds it, once for all tests.
var datasourceBinary = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(filepath.Dir(program), "gpx_flowgauge")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/flowgauge/flowgauge/datasource/pkg").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the datasource: %w\n%s", err, out)
	}
	return binary, nil
})

// newDatasource starts the plugin, configured for the database of a
// running server with the user that Grafana is given: it may only read.
func newDatasource(t testing.TB, s *server) *datasource {
	t.Helper()
	binary, err := datasourceBinary()
	require.NoError(t, err)

	process := goplugin.NewClient(&goplugin.ClientConfig{
		Cmd: exec.Command(binary),
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: grpcplugin.ProtocolVersion,
			MagicCookieKey:  grpcplugin.MagicCookieKey, MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{grpcplugin.ProtocolVersion: {
			"data": &grpcplugin.DataGRPCPlugin{}, "diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{}, "resource": &grpcplugin.ResourceGRPCPlugin{},
		}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		SkipHostEnv:      true,
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard}),
	})
	t.Cleanup(process.Kill)
	protocol, err := process.Client()
	require.NoError(t, err, "start the plugin")
	dispense := func(service string) any {
		client, err := protocol.Dispense(service)
		require.NoError(t, err, service)
		return client
	}
	return &datasource{t: t, pc: pluginContext(t, s), client: datasourcetest.TestPluginClient{
		DataClient:        dispense("data").(grpcplugin.DataClient),
		DiagnosticsClient: dispense("diagnostics").(grpcplugin.DiagnosticsClient),
		ResourceClient:    dispense("resource").(grpcplugin.ResourceClient),
	}}
}

func pluginContext(t testing.TB, s *server) backend.PluginContext {
	t.Helper()
	at, err := engine.Running(filepath.Join(s.dir, "clickhouse"))
	require.NoError(t, err)
	settings, err := json.Marshal(map[string]any{
		"host": at.Host, "port": at.TCPPort, "database": at.Database, "username": at.Reader.Name, "tenant": "default",
	})
	require.NoError(t, err)
	return backend.PluginContext{
		PluginID: app.PluginID,
		User:     &backend.User{Login: "admin", Role: "Admin"},
		DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
			ID: 1, UID: "flowgauge", Type: app.PluginID, Name: "Flowgauge", JSONData: settings, Updated: time.Now(),
			DecryptedSecureJSONData: map[string]string{"password": at.Reader.Password},
		},
	}
}

func (d *datasource) query(queries ...backend.DataQuery) backend.Responses {
	d.t.Helper()
	return d.ask(nil, queries...)
}

func (d *datasource) ask(headers map[string]string, queries ...backend.DataQuery) backend.Responses {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := d.client.QueryData(ctx, &backend.QueryDataRequest{PluginContext: d.pc, Headers: headers, Queries: queries})
	require.NoError(d.t, err)
	return out.Responses
}

func (d *datasource) health() *backend.CheckHealthResult {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := d.client.CheckHealth(ctx, &backend.CheckHealthRequest{PluginContext: d.pc})
	require.NoError(d.t, err)
	return out
}

// resource decodes what a resource answers.
func (d *datasource) resource(path string, params url.Values, into any) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	target := url.URL{Path: path, RawQuery: params.Encode()}
	var status int
	var body []byte
	err := d.client.CallResource(ctx, &backend.CallResourceRequest{PluginContext: d.pc, Method: "GET", Path: path, URL: target.String()},
		backend.CallResourceResponseSenderFunc(func(part *backend.CallResourceResponse) error {
			if part.Status != 0 {
				status = part.Status
			}
			body = append(body, part.Body...)
			return nil
		}))
	require.NoError(d.t, err)
	require.Equal(d.t, 200, status, "%s: %s", target.String(), body)
	require.NoError(d.t, json.Unmarshal(body, into), "%s: %s", target.String(), body)
}
