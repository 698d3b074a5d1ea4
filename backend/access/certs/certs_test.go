package certs_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access/certs"
	"github.com/flowgauge/flowgauge/backend/access/certs/certtest"
)

// serve answers with the protocol and the common name of the client.
func serve(t *testing.T, files certs.Server, log *slog.Logger) (url string) {
	t.Helper()
	reloader, err := certs.NewReloader(files, log)
	require.NoError(t, err)
	s := &http.Server{
		TLSConfig: reloader.TLS(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name := "nobody"
			if len(r.TLS.VerifiedChains) > 0 {
				name = r.TLS.VerifiedChains[0][0].Subject.CommonName
			}
			_, _ = io.WriteString(w, r.Proto+" "+name)
		}),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = s.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return "https://" + l.Addr().String()
}

func client(t *testing.T, files certs.Client) *http.Client {
	t.Helper()
	c, err := files.Config()
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func TestClientCertificates(t *testing.T) {
	ours, theirs := certtest.New(t), certtest.New(t)
	cert, key := ours.Issue("server")
	aCert, aKey := ours.Issue("ana")
	bCert, bKey := theirs.Issue("bob")
	ana := certs.Client{CAFile: ours.File, CertFile: aCert, KeyFile: aKey}
	bob := certs.Client{CAFile: ours.File, CertFile: bCert, KeyFile: bKey}
	nobody := certs.Client{CAFile: ours.File}
	for auth, want := range map[string]map[*certs.Client]string{
		"none":    {&ana: "HTTP/2.0 nobody", &bob: "HTTP/2.0 nobody", &nobody: "HTTP/2.0 nobody"},
		"request": {&ana: "HTTP/2.0 ana", &nobody: "HTTP/2.0 nobody", &bob: ""},
		"require": {&ana: "HTTP/2.0 ana", &nobody: "", &bob: ""},
	} {
		url := serve(t, certs.Server{CertFile: cert, KeyFile: key, ClientCAFile: ours.File, ClientAuth: auth}, slog.New(slog.DiscardHandler))
		for files, answer := range want {
			got, err := get(client(t, *files), url)
			if answer == "" {
				require.Error(t, err, "%s %s", auth, files.CertFile)
				continue
			}
			require.NoError(t, err, "%s %s", auth, files.CertFile)
			assert.Equal(t, answer, got, auth)
		}
	}
	url := serve(t, certs.Server{CertFile: cert, KeyFile: key}, slog.New(slog.DiscardHandler))
	_, err := get(client(t, certs.Client{CAFile: theirs.File}), url)
	require.ErrorContains(t, err, "unknown authority")
	_, err = get(client(t, certs.Client{}), url)
	require.ErrorContains(t, err, "unknown authority", "the system's authorities do not know it")
}

func TestMinimalVersion(t *testing.T) {
	ca := certtest.New(t)
	cert, key := ca.Issue("server")
	old, err := certs.Client{CAFile: ca.File}.Config()
	require.NoError(t, err)
	old.MaxVersion = tls.VersionTLS12
	for version, welcome := range map[string]bool{"": false, "1.3": false, "1.2": true} {
		url := serve(t, certs.Server{CertFile: cert, KeyFile: key, MinVersion: version}, slog.New(slog.DiscardHandler))
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), old)
		assert.Equal(t, welcome, err == nil, version)
		if err == nil {
			_ = conn.Close()
		}
	}
}

// New connections get the new certificate; the old one stays while the files are
// broken, and connections that are there go on.
func TestReload(t *testing.T) {
	ca, next := certtest.New(t), certtest.New(t)
	cert, key := ca.Issue("server")
	url := serve(t, certs.Server{CertFile: cert, KeyFile: key}, slog.New(slog.DiscardHandler))
	stays := client(t, certs.Client{CAFile: ca.File})
	_, err := get(stays, url)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(cert, []byte("broken"), 0o600))
	for range 5 {
		_, err = get(client(t, certs.Client{CAFile: ca.File}), url)
		require.NoError(t, err)
		time.Sleep(300 * time.Millisecond)
	}
	newCert, newKey := next.Issue("server")
	for from, to := range map[string]string{newCert: cert, newKey: key} {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, text, 0o600))
	}
	for {
		if _, err = get(client(t, certs.Client{CAFile: next.File}), url); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	_, err = get(stays, url)
	require.NoError(t, err, "the connection that was there")
	_, err = get(client(t, certs.Client{CAFile: ca.File}), url)
	require.Error(t, err)
}

func TestWhatCannotBeUsed(t *testing.T) {
	ca := certtest.New(t)
	cert, key := ca.Issue("server")
	_, other := ca.Issue("other")
	for want, files := range map[string]certs.Server{
		"give both":             {CertFile: cert},
		`client_auth is "some"`: {CertFile: cert, KeyFile: key, ClientAuth: "some"},
		"needs client_ca":       {CertFile: cert, KeyFile: key, ClientAuth: "require"},
		"over TLS only":         {ClientCAFile: ca.File, ClientAuth: "require"},
		`min_version is "1.1"`:  {CertFile: cert, KeyFile: key, MinVersion: "1.1"},
		"private key does":      {CertFile: cert, KeyFile: other},
		"no such file":          {CertFile: cert + "x", KeyFile: key},
		"no certificate":        {CertFile: cert, KeyFile: key, ClientCAFile: key, ClientAuth: "request"},
	} {
		_, err := certs.NewReloader(files, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, want)
	}
	for want, files := range map[string]certs.Client{
		"give both":      {CertFile: cert},
		"private key":    {CertFile: cert, KeyFile: other},
		"no such file":   {CAFile: cert + "x"},
		"no certificate": {CAFile: key},
	} {
		_, err := files.Config()
		require.ErrorContains(t, err, want)
	}
}
