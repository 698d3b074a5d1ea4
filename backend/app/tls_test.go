package app_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access/certs"
	"github.com/flowgauge/flowgauge/backend/access/certs/certtest"
	"github.com/flowgauge/flowgauge/backend/engine"
)

// over returns a client that checks the server and may show a certificate.
func over(t *testing.T, files certs.Client) *http.Client {
	t.Helper()
	c, err := files.Config()
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// A client certificate stands for the key that names it, commands check the
// collector, and a new certificate is served without a new start.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t)
	cert, key := ca.Issue("server")
	edge, edgeKey := ca.Issue("edge")
	strange, strangeKey := ca.Issue("strange")
	s := upAs(t, t.TempDir(), func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "FLOWGAUGE_HTTP__TLS__CERT_FILE="+cert, "FLOWGAUGE_HTTP__TLS__KEY_FILE="+key,
			"FLOWGAUGE_HTTP__TLS__CLIENT_CA_FILE="+ca.File, "FLOWGAUGE_HTTP__TLS__CLIENT_AUTH=request")
	})
	require.True(t, strings.HasPrefix(s.url, "https://"), s.url)
	s.http = over(t, certs.Client{CAFile: ca.File})
	answer := s.send(s.key(), http.MethodPost, "/api/v1/events", oneEvent)
	assert.Equal(t, http.StatusAccepted, answer.StatusCode)
	assert.Equal(t, "HTTP/2.0", answer.Proto)
	assert.Equal(t, http.StatusUnauthorized, s.status("", http.MethodPost, "/api/v1/events", oneEvent))

	s.keys("create", "--name", "edge", "--certificate", spki(t, edge, edgeKey))
	s.http = over(t, certs.Client{CAFile: ca.File, CertFile: edge, KeyFile: edgeKey})
	s.until(http.StatusAccepted, "", http.MethodPost, "/api/v1/events", oneEvent)
	assert.Equal(t, http.StatusForbidden, s.status("", http.MethodGet, "/api/v1/analytics/catalogue", ""), "the key's scopes")
	assert.Equal(t, http.StatusUnauthorized, s.status("fg_wrong_key", http.MethodPost, "/api/v1/events", oneEvent), "a key that is sent must be right")
	s.http = over(t, certs.Client{CAFile: ca.File, CertFile: strange, KeyFile: strangeKey})
	assert.Equal(t, http.StatusUnauthorized, s.status("", http.MethodPost, "/api/v1/events", oneEvent))

	events := filepath.Join(t.TempDir(), "events.ndjson")
	require.NoError(t, os.WriteFile(events, []byte(oneEvent+"\n"), 0o600))
	importing := func(args ...string) (string, error) {
		out, err := exec.Command(program, append([]string{"import", events, "--restart", "--url", s.url, "--data-dir", s.dir}, args...)...).CombinedOutput()
		return string(out), err
	}
	out, err := importing("--ca-file", ca.File)
	require.NoError(t, err, out)
	out, err = importing("--ca-file", ca.File, "--cert", edge, "--key", edgeKey)
	require.NoError(t, err, out)
	out, err = importing("--ca-file", ca.File, "--cert", strange, "--key", strangeKey)
	require.Error(t, err, out)
	out, err = importing()
	require.ErrorContains(t, err, "exit status 1")
	assert.Contains(t, out, "certificate")

	before := served(t, s, ca)
	ca.Issue("server")
	for served(t, s, ca) == before {
		time.Sleep(100 * time.Millisecond)
	}
}

// served is the serial number of the certificate that a new connection sees.
func served(t *testing.T, s *server, ca *certtest.Authority) string {
	t.Helper()
	c, err := certs.Client{CAFile: ca.File}.Config()
	require.NoError(t, err)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), c)
	require.NoError(t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// spki names a certificate by its public key, as docs/security.md says.
func spki(t *testing.T, certFile, keyFile string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	sum := sha256.Sum256(pair.Leaf.RawSubjectPublicKeyInfo)
	return "spki:" + hex.EncodeToString(sum[:])
}

// The database is checked, and shown a certificate, where it is reached over TLS.
func TestDatabaseOverTLS(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	database, err := engine.Running(filepath.Join(s.dir, "clickhouse"))
	require.NoError(t, err)
	ca, other := certtest.New(t), certtest.New(t)
	cert, key := ca.Issue("database")
	mine, mineKey := ca.Issue("flowgauge")
	theirs, theirsKey := other.Issue("flowgauge")
	addr := wrap(t, certs.Server{CertFile: cert, KeyFile: key, ClientCAFile: ca.File, ClientAuth: "require"}, database.TCPAddr())
	list := func(caFile, certFile, keyFile string) (string, error) {
		cmd := exec.Command(program, "keys", "list", "--data-dir", t.TempDir())
		cmd.Env = append(os.Environ(), "FLOWGAUGE_CLICKHOUSE__ADDR="+addr, "FLOWGAUGE_CLICKHOUSE__TLS=true",
			"FLOWGAUGE_CLICKHOUSE__USER="+database.Writer.Name, "FLOWGAUGE_CLICKHOUSE__PASSWORD="+database.Writer.Password,
			"FLOWGAUGE_CLICKHOUSE__CA_FILE="+caFile, "FLOWGAUGE_CLICKHOUSE__CERT_FILE="+certFile, "FLOWGAUGE_CLICKHOUSE__KEY_FILE="+keyFile)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := list(ca.File, mine, mineKey)
	require.NoError(t, err, out)
	assert.Contains(t, out, "administrator")
	for name, files := range map[string][3]string{
		"another authority": {other.File, mine, mineKey}, "the system's authorities": {"", mine, mineKey},
		"no certificate": {ca.File, "", ""}, "a stranger's": {ca.File, theirs, theirsKey}, "no such file": {ca.File + "x", mine, mineKey},
	} {
		out, err := list(files[0], files[1], files[2])
		require.Error(t, err, name)
		assert.NotContains(t, out, database.Writer.Password, name)
	}
}

// wrap puts TLS in front of a server.
func wrap(t *testing.T, files certs.Server, to string) (addr string) {
	t.Helper()
	reloader, err := certs.NewReloader(files, nil)
	require.NoError(t, err)
	config := reloader.TLS()
	config.NextProtos = nil
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			plain, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				in := tls.Server(plain, config)
				defer in.Close()
				if in.Handshake() != nil {
					return
				}
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	return l.Addr().String()
}
