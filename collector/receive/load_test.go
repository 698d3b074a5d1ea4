package receive

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
)

// Beyond the budget a request is sent away at once; it is taken when there is room.
func TestOverloaded(t *testing.T) {
	s := &stub{entered: make(chan struct{}), release: make(chan struct{})}
	limits := Limits{PackedBytes: 1 << 20, BodyBytes: 4 << 20}
	limits.InFlightBytes = limits.largest()
	c := start(t, limits, s)
	large := good + strings.Repeat(" ", 4<<20-len(good))
	first := make(chan answer)
	go func() { first <- c.post(strings.NewReader(large)) }()
	<-s.entered
	go func() { first <- c.post(strings.NewReader(large)) }()
	a := <-first
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "overloaded", string(a.Code))
	require.Equal(t, "1", a.header.Get("Retry-After"))
	s.release <- struct{}{}
	require.Equal(t, http.StatusAccepted, (<-first).status)
	go func() { first <- c.post(strings.NewReader(large)) }()
	<-s.entered
	s.release <- struct{}{}
	require.Equal(t, http.StatusAccepted, (<-first).status)
}

// swollen is a protocol whose events are far larger than the body.
type swollen struct {
	native
	events int
	keep   int // bytes that it reserves for each
}

func (s swollen) Decode(m Message, yield event.Yield) *Refusal {
	e := event.Event{Kind: event.KindActivity, Tenant: m.Who.Tenant, Action: "login", Metadata: `{"a":"` + strings.Repeat("x", 32<<10) + `"}`}
	for i := range s.events {
		e.ID = strconv.Itoa(i)
		if !m.Reserve(s.keep) {
			return Overloaded
		}
		if !yield(i, nil, &e, nil) {
			return nil
		}
	}
	return nil
}

// What a protocol makes of a body is within the budget too.
func TestRecordsLargerThanTheBody(t *testing.T) {
	limits := Limits{PackedBytes: 1 << 16, BodyBytes: 1 << 16}
	limits.InFlightBytes = limits.largest()
	c := start(t, limits, nil)
	for name, tc := range map[string]struct {
		protocol swollen
		status   int
	}{
		"fits":               {swollen{events: 100}, http.StatusAccepted},
		"many records":       {swollen{events: 1000}, http.StatusTooManyRequests},
		"kept by a protocol": {swollen{events: 10, keep: 1 << 20}, http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			router := gin.New()
			tc.protocol.native = native{c.receiver}
			router.POST(Path, c.receiver.Handle(tc.protocol))
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, strings.NewReader("{}"))
			req.Header.Set("Authorization", "Bearer acme")
			w := httptest.NewRecorder()
			router.ServeHTTP(w, req)
			require.Equal(t, tc.status, w.Code, w.Body)
			events, _ := c.stored()
			require.Equal(t, tc.status == http.StatusAccepted, len(events) > 0)
		})
	}
}

// Requests do not see one another's buffers.
func TestConcurrentRequests(t *testing.T) {
	c := start(t, Limits{}, nil)
	const senders, requests, events = 8, 20, 30
	bodies := map[string][]byte{}
	for s := range senders {
		for n := range requests {
			var b strings.Builder
			for i := range events {
				fmt.Fprintf(&b, `{"kind":"activity","id":"%d-%d-%d","timestamp":"2024-05-31T10:00:00Z","action":"l\u00f6gin %d","userId":"u%d"}`+"\n", s, n, i, s, n)
			}
			bodies[fmt.Sprintf("%d-%d", s, n)] = zstded(t, b.String())
		}
	}
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for n := range requests {
				a := c.post(bytes.NewReader(bodies[fmt.Sprintf("%d-%d", s, n)]), "Content-Type", ndjson, "Content-Encoding", "zstd")
				if a.Accepted != events {
					t.Error(a.body)
				}
			}
		})
	}
	wg.Wait()
	got, letters := c.stored()
	require.Empty(t, letters)
	require.Len(t, got, senders*requests*events)
	seen := map[string]bool{}
	for _, e := range got {
		require.False(t, seen[e.ID])
		seen[e.ID] = true
		id := strings.Split(e.ID, "-")
		require.Equal(t, "lögin "+id[0], e.Action)
		require.Equal(t, "u"+id[1], e.UserID)
	}
}

func TestConfigValidate(t *testing.T) {
	q := &stub{}
	for _, c := range []Config{
		{},
		{Queue: q},
		{Auth: keys},
		{Queue: q, Auth: keys, Limits: Limits{Events: -1}},
		{Queue: q, Auth: keys, Limits: Limits{InFlightBytes: 1 << 20}},
	} {
		require.Error(t, c.Validate())
	}
	c := Config{Queue: q, Auth: keys}
	require.NoError(t, c.Validate())
	registry := prometheus.NewRegistry()
	_, err := New(Config{Queue: q, Auth: keys, Registerer: registry})
	require.NoError(t, err)
	_, err = New(Config{Queue: q, Auth: keys, Registerer: registry})
	require.Error(t, err, "the metrics are registered once")
}

func BenchmarkReceive1000(b *testing.B) {
	for _, encoding := range []string{"identity", "zstd"} {
		b.Run(encoding, func(b *testing.B) {
			l, err := wal.New(wal.Options{Dir: b.TempDir(), MaxBytes: 1 << 40})
			require.NoError(b, err)
			defer func() { require.NoError(b, l.Close()) }()
			benchmark(b, l, encoding)
		})
	}
	b.Run("without the log", func(b *testing.B) { benchmark(b, &stub{}, "identity") })
}

func benchmark(b *testing.B, q Appender, encoding string) {
	b.Helper()
	const events = 1000
	gin.SetMode(gin.ReleaseMode)
	var text strings.Builder
	for i := range events {
		at := time.UnixMilli(1717149600000 + int64(i)).UTC().Format("2006-01-02T15:04:05.000Z")
		fmt.Fprintf(&text, `{"kind":"execution","id":"exec-%08d","timestamp":%q,"workflowId":"workflow-%d","workflowVersion":3,"userId":"user-%d","triggerId":"cron-1","triggerType":"schedule","status":"completed","duration":%d,"stepCount":4,"errorType":null,"errorMessage":null,"metadata":{"region":"eu","attempt":1}}`+"\n",
			i, at, i%50, i%777, i*13)
	}
	body := []byte(text.String())
	if encoding == "zstd" {
		body = zstded(b, text.String())
	}
	r, err := New(Config{Queue: q, Auth: keys})
	require.NoError(b, err)
	router := gin.New()
	r.Register(router)
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, Path, bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer acme")
		req.Header.Set("Content-Type", ndjson)
		req.Header.Set("Content-Encoding", encoding)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, req)
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}
