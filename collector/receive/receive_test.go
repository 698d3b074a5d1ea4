package receive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
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

func TestAccepted(t *testing.T) {
	c := start(t, Limits{}, nil)
	lines := good + "\n" + good2 + "\n"
	for name, tc := range map[string]struct {
		body    string
		headers []string
		events  int
	}{
		"object":          {good, []string{"Content-Type", "application/json"}, 1},
		"no content type": {"[" + good + "," + good2 + "]", nil, 2},
		"charset":         {good, []string{"Content-Type", `application/json; charset="UTF-8"`}, 1},
		"lines":           {lines, []string{"Content-Type", ndjson}, 2},
		"identity":        {lines, []string{"Content-Type", ndjson, "Content-Encoding", "identity"}, 2},
		"gzip":            {string(gzipped(t, lines)), []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 2},
		"zstd":            {string(zstded(t, lines)), []string{"Content-Type", ndjson, "Content-Encoding", "zstd"}, 2},
		"two members":     {string(append(gzipped(t, good+"\n"), gzipped(t, good2)...)), []string{"Content-Type", ndjson, "Content-Encoding", "gzip"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.post(strings.NewReader(tc.body), tc.headers...)
			require.Equal(t, http.StatusAccepted, a.status, a.body)
			require.JSONEq(t, fmt.Sprintf(`{"accepted":%d,"duplicates":0,"errors":[]}`, tc.events), a.body)
			events, letters := c.stored()
			require.Len(t, events, tc.events)
			require.Empty(t, letters)
			require.Equal(t, "a1", events[0].ID)
			require.Equal(t, "acme", events[0].Tenant)
		})
	}
}

func TestSomeAreBad(t *testing.T) {
	c := start(t, Limits{}, nil)
	again := strings.Replace(good, "login", "logout", 1)
	body := strings.Join([]string{good, bad, "3", "{", good2, again, other}, "\n")
	a := c.post(strings.NewReader(body), "Content-Type", ndjson)
	require.Equal(t, http.StatusMultiStatus, a.status)
	require.Equal(t, 2, a.Accepted)
	require.Equal(t, 1, a.Duplicates)
	require.Zero(t, a.ErrorsOmitted)
	var got []string
	for _, e := range a.Errors {
		require.NotEmpty(t, e.Message)
		got = append(got, fmt.Sprintf("%d %s %s %s", e.Index, e.ID, e.Code, e.Field))
	}
	require.Equal(t, []string{
		"1 a3 invalid_time timestamp", "2  not_an_object ", "3  malformed_json ", "6 a4 tenant_mismatch tenantId",
	}, got)

	events, letters := c.stored()
	require.Len(t, events, 2)
	require.Equal(t, "a2", events[0].ID)
	require.Equal(t, "a1", events[1].ID)
	require.Equal(t, "logout", events[1].Action, "the one received last stands")
	require.Len(t, letters, 4)
	require.Equal(t, event.DeadLetter{
		Tenant: "acme", Source: "crm", KeyID: "k1", ContentType: ndjson, Index: 1, Code: event.CodeInvalidTime,
		Field: "timestamp", Message: a.Errors[0].Message, Payload: []byte(bad),
	}, letters[0])
	require.JSONEq(t, other, string(letters[3].Payload))

	require.Equal(t, map[string]float64{
		"flowgauge_receive_requests_total 207":              1,
		"flowgauge_receive_events_total activity accepted":  2,
		"flowgauge_receive_events_total activity duplicate": 1,
		"flowgauge_receive_events_total activity rejected":  2,
		"flowgauge_receive_events_total unknown rejected":   2,
		"flowgauge_receive_append_seconds":                  1,
		"flowgauge_receive_body_bytes_total packed":         float64(len(body)),
		"flowgauge_receive_body_bytes_total unpacked":       float64(len(body)),
	}, c.metrics())
}

// metrics returns the metrics that are not 0, by name and labels.
func (c *collector) metrics() map[string]float64 {
	c.t.Helper()
	families, err := c.registry.Gather()
	require.NoError(c.t, err)
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()); v != 0 {
				out[name] = v
			}
		}
	}
	return out
}

func TestCrossTenant(t *testing.T) {
	c := start(t, Limits{}, nil)
	a := c.post(strings.NewReader(other), "Authorization", "Bearer all")
	require.Equal(t, http.StatusAccepted, a.status)
	events, _ := c.stored()
	require.Equal(t, "other", events[0].Tenant)
}

func TestNoneIsUsable(t *testing.T) {
	c := start(t, Limits{}, nil)
	a := c.post(strings.NewReader("[" + bad + "," + other + "]"))
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Equal(t, "no_usable_event", string(a.Code))
	require.Len(t, a.Errors, 2)
	require.Zero(t, a.Accepted)
	events, letters := c.stored()
	require.Empty(t, events)
	require.Len(t, letters, 2)
}

// What cannot be taken apart is one dead letter.
func TestBrokenDocument(t *testing.T) {
	c := start(t, Limits{}, nil)
	for _, body := range []string{"[" + good + "," + bad + "," + good[:20], "{", good + good2, "[" + good + ",]"} {
		a := c.post(strings.NewReader(body))
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Equal(t, event.CodeMalformedJSON, a.Code)
		require.Empty(t, a.Errors)
		require.Zero(t, a.Accepted+a.Duplicates)
		events, letters := c.stored()
		require.Empty(t, events)
		require.Len(t, letters, 1)
		require.Equal(t, int64(-1), letters[0].Index)
		require.Equal(t, body, string(letters[0].Payload))
		require.False(t, letters[0].Truncated)
	}
	body := "[" + strings.Repeat(good+",", 2000)
	require.Equal(t, event.CodeMalformedJSON, c.post(strings.NewReader(body)).Code)
	_, letters := c.stored()
	require.Len(t, letters, 1)
	require.True(t, letters[0].Truncated)
	require.Equal(t, body[:event.MaxDeadLetterPayload], string(letters[0].Payload))
}

func TestErrorsAreCounted(t *testing.T) {
	c := start(t, Limits{}, nil)
	a := c.post(strings.NewReader(good+"\n"+strings.Repeat("{}\n", maxErrors+5)), "Content-Type", ndjson)
	require.Equal(t, http.StatusMultiStatus, a.status)
	require.Len(t, a.Errors, maxErrors)
	require.Equal(t, 5, a.ErrorsOmitted)
	_, letters := c.stored()
	require.Len(t, letters, maxErrors+5)
}

func TestRefused(t *testing.T) {
	c := start(t, Limits{PackedBytes: 1 << 16, BodyBytes: 1 << 20, Events: 3}, nil)
	packed := gzipped(t, good)
	for name, tc := range map[string]struct {
		body    string
		headers []string
		status  int
		code    string
	}{
		"no key":            {good, []string{"Authorization", ""}, 401, "unauthenticated"},
		"may not write":     {good, []string{"Authorization", "Bearer reader"}, 403, "forbidden"},
		"keys unavailable":  {good, []string{"Authorization", "Bearer broken"}, 503, "auth_unavailable"},
		"content type":      {good, []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type"},
		"content type junk": {good, []string{"Content-Type", "application/json;;="}, 415, "unsupported_media_type"},
		"charset":           {good, []string{"Content-Type", "application/json; charset=utf-16"}, 415, "unsupported_media_type"},
		"encoding":          {good, []string{"Content-Encoding", "br"}, 415, "unsupported_encoding"},
		"two encodings":     {good, []string{"Content-Encoding", "gzip, gzip"}, 415, "unsupported_encoding"},
		"empty":             {"", nil, 400, "empty_body"},
		"blank":             {" \n ", nil, 400, "empty_body"},
		"empty array":       {"[]", nil, 400, "empty_body"},
		"empty lines":       {"\n\n", []string{"Content-Type", ndjson}, 400, "empty_body"},
		"empty gzip":        {"", []string{"Content-Encoding", "gzip"}, 400, "empty_body"},
		"empty zstd":        {"", []string{"Content-Encoding", "zstd"}, 400, "empty_body"},
		"nothing in gzip":   {string(gzipped(t, "")), []string{"Content-Encoding", "gzip"}, 400, "empty_body"},
		"no gzip":           {good, []string{"Content-Encoding", "gzip"}, 400, "malformed_encoding"},
		"no zstd":           {good, []string{"Content-Encoding", "zstd"}, 400, "malformed_encoding"},
		"cut gzip":          {string(packed[:len(packed)-5]), []string{"Content-Encoding", "gzip"}, 400, "malformed_encoding"},
		"cut zstd":          {string(zstded(t, good)[:20]), []string{"Content-Encoding", "zstd"}, 400, "malformed_encoding"},
		"too many":          {strings.Repeat(good+"\n", 4), []string{"Content-Type", ndjson}, 413, "too_many_events"},
		"too many in array": {"[" + good + strings.Repeat(","+good, 3) + "]", nil, 413, "too_many_events"},
		"large":             {strings.Repeat(" ", 1<<20+1), nil, 413, "body_too_large"},
		"gzip bomb":         {string(gzipped(t, strings.Repeat(" ", 32<<20))), []string{"Content-Encoding", "gzip"}, 413, "body_too_large"},
		"zstd bomb":         {string(zstded(t, strings.Repeat(" ", 32<<20))), []string{"Content-Encoding", "zstd"}, 413, "body_too_large"},
		"large packed":      {strings.Repeat("x", 1<<16+1), []string{"Content-Encoding", "gzip"}, 413, "body_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, chunked := range []bool{false, true} {
				var body io.Reader = strings.NewReader(tc.body)
				if chunked {
					body = struct{ io.Reader }{body} // Without a length.
				}
				a := c.post(body, tc.headers...)
				require.Equal(t, tc.status, a.status, a.body)
				require.Equal(t, tc.code, string(a.Code))
				require.Empty(t, a.Errors)
				require.Equal(t, tc.status == 503, a.header.Get("Retry-After") != "")
				require.Zero(t, c.log.Stats().Pending)
			}
		})
	}
	// What is exactly at the limit is taken.
	a := c.post(strings.NewReader(good + strings.Repeat(" ", 1<<20-len(good))))
	require.Equal(t, http.StatusAccepted, a.status)
	a = c.post(bytes.NewReader(gzipped(t, good+strings.Repeat(" ", 1<<20-len(good)))), "Content-Encoding", "gzip")
	require.Equal(t, http.StatusAccepted, a.status)
}

// zeros is an endless body.
type zeros struct{ read int64 }

func (z *zeros) Read(b []byte) (int, error) {
	clear(b)
	z.read += int64(len(b))
	return len(b), nil
}

// A body of 100 MB is refused by its length, or where it reaches the limit.
func TestHundredMegabytes(t *testing.T) {
	c := start(t, Limits{}, nil)
	router := gin.New()
	c.receiver.Register(router)
	for _, length := range []int64{100 << 20, -1} {
		source := &zeros{}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, io.LimitReader(source, 100<<20))
		req.ContentLength = length
		req.Header.Set("Authorization", "Bearer acme")
		w := httptest.NewRecorder()
		router.ServeHTTP(w, req)
		require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
		require.LessOrEqual(t, source.read, int64(65<<20), "it stops at the limit")
		if length > 0 {
			require.Zero(t, source.read)
		}
	}
}

// A sender who breaks off leaves nothing behind, not even events that had arrived whole.
func TestDisconnect(t *testing.T) {
	c := start(t, Limits{}, nil)
	for _, length := range []string{"Content-Length: 100000", "Transfer-Encoding: chunked"} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", c.server.Listener.Addr().String())
		require.NoError(t, err)
		line := good + "\n"
		if strings.HasPrefix(length, "T") {
			line = fmt.Sprintf("%x\r\n%s\r\n", len(line), line)
		}
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer acme\r\nContent-Type: %s\r\n%s\r\n\r\n%s", Path, ndjson, length, line)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		text, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(text), "incomplete_body")
		require.NoError(t, conn.Close())
	}
	require.Zero(t, c.log.Stats().Pending)
}

// stub is a queue that answers as it is told.
type stub struct {
	err     error
	entered chan struct{}
	release chan struct{}
}

func (s *stub) Append(context.Context, [][]byte) error {
	if s.entered != nil {
		s.entered <- struct{}{}
		<-s.release
	}
	return s.err
}

func TestQueueRefuses(t *testing.T) {
	for _, body := range []string{good, bad, "["} {
		for code, err := range map[string]error{"log_full": fmt.Errorf("x: %w", queue.ErrFull), "log_unavailable": errors.New("broken")} {
			a := start(t, Limits{}, &stub{err: err}).post(strings.NewReader(body))
			require.Equal(t, http.StatusServiceUnavailable, a.status)
			require.Equal(t, code, string(a.Code))
			require.Equal(t, "5", a.header.Get("Retry-After"))
			require.Zero(t, a.Accepted)
		}
	}
}

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
