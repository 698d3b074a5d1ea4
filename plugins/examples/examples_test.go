// Package examples_test tests the plugins in other languages than Go.
package examples_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/plugins/conformance"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// TestTypeScript does with the example what its README says, and asks it.
func TestTypeScript(t *testing.T) {
	folder, plugins, m := installed(t)

	t.Run("Contract", func(t *testing.T) {
		var checks int
		err := conformance.Run(t.Context(), conformance.Config{Dir: plugins, ID: m.ID, Settings: settings(t, "acme.com")}, func(c conformance.Check) {
			checks++
			assert.NoError(t, c.Err, c.Name)
		})
		require.NoError(t, err)
		assert.Greater(t, checks, 4, "it was asked about events")
	})
	t.Run("Events", func(t *testing.T) { masks(t, plugins, m.ID) })
	t.Run("EndsWithItsHost", func(t *testing.T) { endsWithItsHost(t, folder) })
	t.Run("Refuses", func(t *testing.T) {
		h, _, _ := run(t, plugins, host.Use{ID: m.ID, Settings: json.RawMessage(`{"keep_domains":"acme.com"}`)})
		require.Eventually(t, func() bool { return strings.Contains(h.Err().Error(), `its settings: keep_domains is "acme.com"`) }, time.Minute, 20*time.Millisecond, "%v", h.Err())
	})
}

// installed makes the example's package, and installs it.
func installed(tb testing.TB) (folder, plugins string, m *host.Manifest) {
	tb.Helper()
	if _, err := exec.LookPath("node"); err != nil && os.Getenv("CI") == "" {
		tb.Skip("node is not on the PATH")
	}
	folder = filepath.Join(tb.TempDir(), "package")
	out, err := exec.Command("sh", filepath.Join("typescript", "package.sh"), folder).CombinedOutput()
	require.NoError(tb, err, string(out))
	m, err = host.ReadManifest(folder)
	require.NoError(tb, err)
	require.NoError(tb, host.Pack(folder, m))
	plugins = tb.TempDir()
	_, err = host.Install(plugins, folder)
	require.NoError(tb, err)
	return folder, plugins, m
}

// BenchmarkTypeScript passes batches through it in which every event is changed.
func BenchmarkTypeScript(b *testing.B) {
	_, plugins, m := installed(b)
	h, _, _ := run(b, plugins, host.Use{ID: m.ID, Timeout: time.Minute})
	chain := enrich.New([]enrich.Enricher{enrich.Remote{Plugin: h.Plugins(contract.ExtensionEnricher)[0]}}, nil, slog.New(slog.DiscardHandler))
	events := make([]event.Event, contract.MaxBatch)
	for b.Loop() {
		for i := range events {
			events[i] = failed("no such user: ann@example.org")
		}
		_, err := chain.Enrich(b.Context(), events)
		require.NoError(b, err)
		require.Equal(b, "no such user: [mail]", events[0].ErrorMessage)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*contract.MaxBatch), "ns/event")
}

func failed(message string) event.Event {
	return event.Event{
		Kind: event.KindExecution, Tenant: "acme", ID: "e", Time: 1_767_225_600_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		Status: event.StatusFailed, WorkflowID: "w", ErrorType: "unknown", ErrorMessage: message,
	}
}

// masks looks at what becomes of events, who may ask, and how it ends.
func masks(t *testing.T, plugins, id string) {
	temp := hosttest.ShortFolder(t)
	t.Setenv("TMPDIR", temp)
	h, log, stop := run(t, plugins, host.Use{ID: id, Settings: settings(t, "Acme.com"), Timeout: time.Minute, OnFailure: host.DeadLetter})
	require.Eventually(t, func() bool { return h.Err() == nil }, time.Minute, 20*time.Millisecond, "%v", h.Err())
	chain := enrich.New([]enrich.Enricher{enrich.Remote{Plugin: h.Plugins(contract.ExtensionEnricher)[0]}}, nil, slog.New(slog.DiscardHandler))

	longest := strings.Repeat("a@b.co ", event.MaxMessageBytes/7)
	messages := [][2]string{
		{"no such user: ann.b+c@example.org, ask root@ACME.com", "no such user: [mail], ask root@ACME.com"},
		{"no such user", "no such user"},
		{"", ""},
		{"語@語 @ a@b <é@example.org>", "語@語 @ a@b <é@example.org>"},
		{longest, strings.ReplaceAll(longest, "a@b.co", "[mail]")},
		{strings.Repeat("a", event.MaxMessageBytes), strings.Repeat("a", event.MaxMessageBytes)},
	}
	events := make([]event.Event, len(messages))
	for i, message := range messages {
		events[i] = failed(message[0])
	}
	results, err := chain.Enrich(t.Context(), events)
	require.NoError(t, err)
	for i, message := range messages {
		assert.Nil(t, results[i].Letter)
		assert.Equal(t, message[1], events[i].ErrorMessage)
		assert.Equal(t, "unknown", events[i].ErrorType)
	}

	sockets, err := filepath.Glob(filepath.Join(temp, "flowgauge-plugin-*", "plugin.sock"))
	require.NoError(t, err)
	require.Len(t, sockets, 1)
	other := httptest.NewTLSServer(nil)
	defer other.Close()
	assertTurnedAway(t, sockets[0], &tls.Certificate{})
	assertTurnedAway(t, sockets[0], &other.TLS.Certificates[0])

	stop()
	assert.NotContains(t, log.String(), "failed to exit gracefully")
}

// assertTurnedAway connects with another certificate than the host's.
func assertTurnedAway(t *testing.T, socket string, certificate *tls.Certificate) {
	t.Helper()
	conn, err := tls.Dial("unix", socket, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h2"},
		// With Certificates one that the server does not name would not be sent.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil },
	})
	if err != nil {
		return
	}
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	// A server of HTTP/2 speaks first, with those that it accepts.
	n, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Zero(t, n)
}

// endsWithItsHost has a shell for a host, which ends before and after the plugin serves.
func endsWithItsHost(t *testing.T, folder string) {
	other := httptest.NewTLSServer(nil)
	defer other.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificate().Raw})
	for _, early := range []bool{true, false} {
		cmd := exec.Command("sh", "-c", "node main.js & read line")
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), contract.Handshake.MagicCookieKey+"="+contract.Handshake.MagicCookieValue, "PLUGIN_CLIENT_CERT="+string(certificate))
		end, err := cmd.StdinPipe()
		require.NoError(t, err)
		handshake, err := cmd.StdoutPipe()
		require.NoError(t, err)
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		if early {
			require.NoError(t, handshake.Close())
		} else {
			line, err := bufio.NewReader(handshake).ReadString('\n')
			require.NoError(t, err)
			require.Regexp(t, `^1\|1\|unix\|.*/plugin.sock\|grpc\|[A-Za-z0-9+/]+\n$`, line)
		}
		require.NoError(t, end.Close())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, stderr) // ends when nobody has the other side any more
		}()
		select {
		case <-gone:
		case <-time.After(time.Minute):
			t.Errorf("the plugin is still there (early: %t)", early)
		}
		_ = cmd.Wait()
	}
}

func settings(t *testing.T, domains ...string) json.RawMessage {
	text, err := json.Marshal(map[string]any{"keep_domains": domains})
	require.NoError(t, err)
	return text
}

// run runs a plugin until stop is called, or the test ends.
func run(t testing.TB, plugins string, use host.Use) (h *host.Host, log *hosttest.Log, stop func()) {
	t.Helper()
	log = &hosttest.Log{}
	use.OnFailure = host.Hold
	h, err := host.New(host.Config{Dir: plugins, Use: []host.Use{use}, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return h, log, stop
}
