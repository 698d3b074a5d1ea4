// Package receivetest serves a protocol to tests: a real receiver in front of a
// real log.
package receivetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// Endpoint is a protocol that is served.
type Endpoint struct {
	URL string

	t      testing.TB
	log    *wal.Log
	router http.Handler
}

// Key is an API key that may write events of the tenant "acme".
const Key = "the-key"

// Auth knows Key.
func Auth(req *http.Request) (receive.Principal, error) {
	switch req.Header.Get("Authorization") {
	case "Bearer " + Key:
		return receive.Principal{Tenant: "acme", KeyID: "k1"}, nil
	case "Bearer reader":
		return receive.Principal{}, receive.ErrForbidden
	case "Bearer away":
		return receive.Principal{}, errors.New("the key store is away")
	}
	return receive.Principal{}, receive.ErrUnauthenticated
}

// Serve serves protocols, by path, until the test ends.
func Serve(t testing.TB, protocols func(r *receive.Receiver) map[string]receive.Protocol) *Endpoint {
	t.Helper()
	return ServeRoutes(t, func(router gin.IRouter, r *receive.Receiver) {
		for path, p := range protocols(r) {
			router.POST(path, r.Handle(p))
		}
	})
}

// ServeRoutes serves whatever is registered until the test ends.
func ServeRoutes(t testing.TB, register func(router gin.IRouter, r *receive.Receiver)) *Endpoint {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	e := &Endpoint{t: t}
	var err error
	e.log, err = wal.New(wal.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.log.Close()) })
	r, err := receive.New(receive.Config{Queue: e.log, Auth: Auth})
	require.NoError(t, err)
	router := gin.New()
	register(router, r)
	e.router = router
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	e.URL = server.URL
	return e
}

// Post sends a body with headers, given as names and values, and returns the answer.
func (e *Endpoint) Post(path string, body []byte, headers ...string) (int, string) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.URL+path, bytes.NewReader(body))
	require.NoError(e.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(e.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(e.t, err)
	return res.StatusCode, string(text)
}

// Replay sends a dead letter's payload again, and returns what became of it.
func (e *Endpoint) Replay(l *event.DeadLetter, payload []byte) receive.Outcome {
	e.t.Helper()
	again := &receive.Replay{Who: receive.Principal{Tenant: l.Tenant, KeyID: "admin"}, ContentType: l.ContentType}
	req := httptest.NewRequestWithContext(receive.WithReplay(e.t.Context(), again), http.MethodPost, l.Path, bytes.NewReader(payload))
	e.router.ServeHTTP(httptest.NewRecorder(), req)
	return again.Outcome
}

// Stored is what came into the log.
type Stored struct {
	Events    []event.Event
	Fragments []event.Fragment
	Letters   []event.DeadLetter
}

// Stored returns what came into the log since the last call.
func (e *Endpoint) Stored() Stored {
	e.t.Helper()
	var s Stored
	for range e.log.Stats().Pending {
		records, err := e.log.Fetch(context.Background(), 1)
		require.NoError(e.t, err)
		switch data := records[0].Data; event.RecordType(data) {
		case event.RecordEvent:
			var ev event.Event
			require.NoError(e.t, event.DecodeBinary(data, &ev))
			require.Nil(e.t, event.Validate(&ev))
			s.Events = append(s.Events, ev)
		case event.RecordFragment:
			f, err := event.DecodeFragment(data)
			require.NoError(e.t, err)
			require.Nil(e.t, event.ValidateFragment(&f))
			s.Fragments = append(s.Fragments, f)
		case event.RecordDeadLetter:
			var l event.DeadLetter
			require.NoError(e.t, event.DecodeDeadLetter(data, &l))
			s.Letters = append(s.Letters, l)
		}
	}
	require.NoError(e.t, e.log.Commit(context.Background()))
	return s
}

// Payload returns a file of real payloads, which are not part of the project. The
// test is left out where they are absent.
func Payload(t testing.TB, name string) []byte {
	t.Helper()
	// Tests run in their package's folder, three below the root.
	path := filepath.Join("..", "..", "..", "..", "shared", "data", "payloads", name)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is absent, and CI must have it", path)
		}
		t.Skipf("%s is absent: real payloads are left out", path)
	}
	require.NoError(t, err)
	return b
}
