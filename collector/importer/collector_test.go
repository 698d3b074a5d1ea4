package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/client"
)

// collector behaves like the real one, and remembers what it acknowledged.
type collector struct {
	mu       sync.Mutex
	t        *testing.T
	requests int
	limit    int            // bytes of a body
	listed   int            // errors of an answer
	events   map[string]int // acknowledged, by id, how often
	// before answers instead of the collector when it returns true.
	before func(request int, w http.ResponseWriter) bool
	// after may cut the answer to what was acknowledged.
	after func(request int, w http.ResponseWriter) bool
}

func startCollector(t *testing.T) (*collector, *client.Client) {
	t.Helper()
	c := &collector{t: t, events: map[string]int{}}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	cl, err := client.New(client.Config{URL: s.URL, Key: "k", MinBackoff: time.Millisecond, MaxBackoff: 3 * time.Millisecond})
	require.NoError(t, err)
	return c, cl
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	c.mu.Lock()
	c.requests++
	request := c.requests
	c.mu.Unlock()
	if c.before != nil && c.before(request, w) {
		return
	}
	z, err := zstd.NewReader(bytes.NewReader(body))
	require.NoError(c.t, err)
	defer z.Close()
	text, err := io.ReadAll(z)
	require.NoError(c.t, err)
	if c.limit > 0 && len(text) > c.limit {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	receipt := c.take(text)
	if c.listed > 0 && len(receipt.Errors) > c.listed {
		receipt.Omitted = len(receipt.Errors) - c.listed
		receipt.Errors = receipt.Errors[:c.listed]
	}
	if c.after != nil && c.after(request, w) {
		return
	}
	switch {
	case len(receipt.Errors) == 0:
		w.WriteHeader(http.StatusAccepted)
	case receipt.Accepted == 0:
		w.WriteHeader(http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusMultiStatus)
	}
	_ = json.NewEncoder(w).Encode(receipt)
}

func (c *collector) take(text []byte) client.Receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	var receipt client.Receipt
	seen := map[event.Identity]bool{}
	require.Nil(c.t, event.Decode(text, event.FormatNDJSON, event.Options{Tenant: "t"}, func(i int, _ []byte, e *event.Event, err *event.Error) bool {
		if err != nil {
			receipt.Errors = append(receipt.Errors, client.EventError{Index: i, ID: e.ID, Code: string(err.Code), Message: err.Message})
			return true
		}
		identity := e.Identity()
		if seen[identity] {
			receipt.Duplicates++
			return true
		}
		seen[identity] = true
		receipt.Accepted++
		c.events[fmt.Sprintf("%s %s %d %d", e.Kind, e.ID, e.Phase(), e.Time)]++
		return true
	}))
	return receipt
}

func (c *collector) distinct() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events)
}

func cut(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// lines returns n good events as NDJSON.
func lines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"kind":"activity","id":"a%d","userId":"u","timestamp":"2026-01-02T03:04:05.000Z","sessionId":"s","action":"view","resource":"r","resourceId":"1","duration":5,"metadata":{}}`+"\n", i)
	}
	return b.Bytes()
}
