package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue"
)

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

// While the log is full, requests are refused before they are read: this one never
// sends its body. Then they are tried again.
func TestRefusedUnread(t *testing.T) {
	c := start(t, Limits{}, &stub{err: fmt.Errorf("x: %w", queue.ErrFull)})
	require.Zero(t, c.receiver.full.Load())
	require.Equal(t, "log_full", string(c.post(strings.NewReader(good)).Code))
	require.NotZero(t, c.receiver.full.Load())

	c = start(t, Limits{}, nil)
	c.receiver.full.Store(math.MaxInt64)
	body, never := io.Pipe()
	defer never.Close()
	a := c.post(body)
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "log_full", string(a.Code))
	c.receiver.full.Store(1)
	require.Equal(t, http.StatusAccepted, c.post(strings.NewReader(good)).status)
}
