package command

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealth(t *testing.T) {
	process := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			http.Error(w, "waiting for the database", http.StatusServiceUnavailable)
		}
	}))
	addr := strings.TrimPrefix(process.URL, "http://")
	_, errs, code := flowgauge(t, "health", "--http", addr)
	require.Zero(t, code, errs)
	_, errs, code = flowgauge(t, "health", "--http", addr, "--ready")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "waiting for the database")

	// Listening on all addresses, it is asked on one.
	_, port, _ := strings.Cut(addr, ":")
	t.Setenv("FLOWGAUGE_HTTP__LISTEN", ":"+port)
	_, errs, code = flowgauge(t, "health")
	require.Zero(t, code, errs)

	// The private listener is asked where there is one.
	t.Setenv("FLOWGAUGE_HTTP__TLS__CERT_FILE", "tls.crt")
	_, errs, code = flowgauge(t, "health")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "telemetry.listen")
	t.Setenv("FLOWGAUGE_TELEMETRY__LISTEN", ":"+port)
	_, errs, code = flowgauge(t, "health")
	require.Zero(t, code, errs)

	process.Close()
	_, errs, code = flowgauge(t, "health")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "connection refused")

	t.Setenv("FLOWGAUGE_TELEMETRY__LISTEN", "127.0.0.1:0")
	_, errs, code = flowgauge(t, "health")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "telemetry.listen")
}
