package source_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
	"github.com/flowgauge/flowgauge/collector/source"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

var program string // test-source

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "flowgauge-source-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "source")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/flowgauge/flowgauge/plugins/host/hosttest/badsource").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	hosttest.Remove()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// running is test-source in its process.
type running struct {
	*host.Plugin
	host *host.Host
	log  *hosttest.Log
}

func (r *running) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r.log, nil)) }

// run runs test-source until the test ends.
func run(t *testing.T, settings map[string]any, timeout time.Duration) *running {
	t.Helper()
	binary, err := os.ReadFile(program)
	require.NoError(t, err)
	plugins := hosttest.Misbehave(t, func(m *host.Manifest, dir string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "source"), binary, 0o700))
		m.ID, m.Command, m.Extends = "test-source", []string{"./source"}, []contract.Extension{contract.ExtensionSource}
		m.Permissions = host.Permissions{Add: []string{"activity"}, Headers: []string{"x-signature", "x-other"}}
	})
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	r := &running{log: &hosttest.Log{}}
	r.host, err = host.New(host.Config{
		Dir: plugins, Use: []host.Use{{ID: "test-source", Settings: text, Timeout: timeout}}, Logger: r.logger(),
	})
	require.NoError(t, err)
	r.Plugin = r.host.Plugins(contract.ExtensionSource)[0]
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.host.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	r.up(t)
	return r
}

func (r *running) up(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return r.Err() == nil }, time.Minute, 10*time.Millisecond, "it starts; %v", r.Err())
}

// serve serves its requests; those without a key are the tenant's.
func (r *running) serve(t *testing.T, tenant string) *receivetest.Endpoint {
	t.Helper()
	return receivetest.ServeRoutes(t, func(router gin.IRouter, receiver *receive.Receiver) {
		source.NewEndpoint(source.Config{Plugin: r.Plugin, Receiver: receiver, Tenant: tenant, Logger: r.logger()}).Register(router)
	})
}

func metrics(t *testing.T, registry *prometheus.Registry) *source.Metrics {
	t.Helper()
	m, err := source.NewMetrics(registry)
	require.NoError(t, err)
	return m
}

func do(t *testing.T, method, url, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var text bytes.Buffer
	_, err = text.ReadFrom(res.Body)
	require.NoError(t, err)
	return res, text.String()
}
