package receive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
)

const (
	good   = `{"kind":"activity","id":"a1","timestamp":"2024-05-31T10:00:00Z","action":"login"}`
	good2  = `{"kind":"activity","id":"a2","timestamp":"2024-05-31T10:00:00Z","action":"login"}`
	bad    = `{"kind":"activity","id":"a3","timestamp":"yesterday","action":"login","source":"crm"}`
	other  = `{"kind":"activity","id":"a4","timestamp":"2024-05-31T10:00:00Z","action":"login","tenantId":"other"}`
	ndjson = "application/x-ndjson"
)

// collector is a real handler in front of a real log.
type collector struct {
	t        *testing.T
	log      *wal.Log
	receiver *Receiver
	registry *prometheus.Registry
	server   *httptest.Server
	logged   *bytes.Buffer
}

func keys(req *http.Request) (Principal, error) {
	switch req.Header.Get("Authorization") {
	case "Bearer acme":
		return Principal{Tenant: "acme", KeyID: "k1"}, nil
	case "Bearer all":
		return Principal{Tenant: "acme", KeyID: "k2", CrossTenant: true}, nil
	case "Bearer reader":
		return Principal{}, fmt.Errorf("scope: %w", ErrForbidden)
	case "Bearer broken":
		return Principal{}, errors.New("the key store is away")
	}
	return Principal{}, ErrUnauthenticated
}

func start(t *testing.T, limits Limits, q Appender) *collector {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	c := &collector{t: t, registry: prometheus.NewRegistry(), logged: new(bytes.Buffer)}
	if q == nil {
		var err error
		c.log, err = wal.New(wal.Options{Dir: t.TempDir()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.log.Close()) })
		q = c.log
	}
	var err error
	c.receiver, err = New(Config{
		Queue: q, Auth: keys, Registerer: c.registry, Limits: limits,
		Logger: slog.New(slog.NewTextHandler(c.logged, nil)),
	})
	require.NoError(t, err)
	router := gin.New()
	c.receiver.Register(router)
	c.server = httptest.NewServer(router)
	t.Cleanup(func() {
		c.server.Close()
		require.Zero(t, c.receiver.budget.used.Load(), "everything reserved is given back")
		require.NotContains(t, c.logged.String(), "Bearer")
		require.NotContains(t, c.logged.String(), "login")
	})
	return c
}

type answer struct {
	status int
	header http.Header
	body   string
	problem
}

func (c *collector) post(body io.Reader, headers ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.server.URL+Path, body)
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer acme")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.server.Client().Do(req)
	require.NoError(c.t, err)
	defer func() { require.NoError(c.t, res.Body.Close()) }()
	text, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	a := answer{status: res.StatusCode, header: res.Header, body: string(text)}
	require.NoError(c.t, json.Unmarshal(text, &a.problem), string(text))
	require.NotNil(c.t, a.Errors, "an empty list is a list")
	if a.status >= 400 {
		require.Equal(c.t, "application/problem+json", res.Header.Get("Content-Type"))
		require.Equal(c.t, a.status, a.Status)
		require.NotEmpty(c.t, a.Detail)
	}
	return a
}

// stored returns what is in the log since the last call.
func (c *collector) stored() (events []event.Event, letters []event.DeadLetter) {
	c.t.Helper()
	for range c.log.Stats().Pending {
		records, err := c.log.Fetch(c.t.Context(), 1)
		require.NoError(c.t, err)
		switch event.RecordType(records[0].Data) {
		case event.RecordEvent:
			var e event.Event
			require.NoError(c.t, event.DecodeBinary(records[0].Data, &e))
			events = append(events, e)
		case event.RecordDeadLetter:
			var l event.DeadLetter
			require.NoError(c.t, event.DecodeDeadLetter(records[0].Data, &l))
			letters = append(letters, l)
		}
	}
	require.NoError(c.t, c.log.Commit(c.t.Context()))
	return events, letters
}

func gzipped(t testing.TB, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zstded(t testing.TB, body string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll([]byte(body), nil)
}
