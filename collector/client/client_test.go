package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// serve starts a collector that answers by handle, and a client of it that is
// quick to retry.
func serve(t *testing.T, handle func(attempt int, w http.ResponseWriter, r *http.Request)) (*Client, *atomic.Int64) {
	t.Helper()
	var attempts atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(int(attempts.Add(1)), w, r)
	}))
	t.Cleanup(s.Close)
	c, err := New(Config{URL: s.URL, Key: "k", MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond})
	require.NoError(t, err)
	return c, &attempts
}

func TestSendEncodings(t *testing.T) {
	body := strings.Repeat("{\"kind\":\"activity\"}\n", 500)
	for _, e := range []Encoding{EncodingZstd, EncodingGzip, EncodingIdentity} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, Path, r.URL.Path)
			require.Equal(t, "Bearer k", r.Header.Get("Authorization"))
			require.Equal(t, "application/x-ndjson", r.Header.Get("Content-Type"))
			var in io.Reader = r.Body
			switch r.Header.Get("Content-Encoding") {
			case "zstd":
				d, err := zstd.NewReader(r.Body)
				require.NoError(t, err)
				defer d.Close()
				in = d
			case "gzip":
				d, err := gzip.NewReader(r.Body)
				require.NoError(t, err)
				in = d
			default:
				require.Equal(t, EncodingIdentity, e)
			}
			got, err := io.ReadAll(in)
			require.NoError(t, err)
			require.Equal(t, body, string(got))
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"accepted":499,"duplicates":1}`)
		}))
		c, err := New(Config{URL: s.URL + "/", Key: "k", Encoding: e})
		require.NoError(t, err)
		for range 3 { // encoders are used again
			r, err := c.Send(t.Context(), []byte(body), 500)
			require.NoError(t, err)
			require.Equal(t, Receipt{Accepted: 499, Duplicates: 1}, r)
		}
		s.Close()
	}
}

func TestSendPartly(t *testing.T) {
	c, _ := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMultiStatus)
		_, _ = io.WriteString(w, `{"accepted":1,"duplicates":0,"errors":[{"index":1,"id":"x","code":"missing_field","message":"m"}]}`)
	})
	r, err := c.Send(t.Context(), []byte("{}\n{}\n"), 2)
	require.NoError(t, err)
	require.Equal(t, []EventError{{Index: 1, ID: "x", Code: "missing_field", Message: "m"}}, r.Errors)
}

// None usable: each with its reason is a receipt, else it is an error.
func TestSendNoneUsable(t *testing.T) {
	c, n := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"title":"no usable event","errors":[{"index":0,"code":"malformed_json"}]}`)
	})
	r, err := c.Send(t.Context(), []byte("x\n"), 1)
	require.NoError(t, err)
	require.Len(t, r.Errors, 1)
	require.EqualValues(t, 1, n.Load())
}

func TestSendRetries(t *testing.T) {
	c, n := serve(t, func(attempt int, w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NotEmpty(t, body, "every attempt sends the whole body")
		switch attempt {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.WriteHeader(http.StatusTooManyRequests)
		case 3:
			conn, _, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			_ = conn.Close()
		case 4: // durable, but the answer is cut
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"accepted"`)
		case 5:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"code":"incomplete_body","errors":[]}`)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	r, err := c.Send(t.Context(), []byte("{}\n"), 1)
	require.NoError(t, err)
	require.Equal(t, 1, r.Accepted)
	require.EqualValues(t, 6, n.Load())
}

func TestSendRefused(t *testing.T) {
	for status, want := range map[int]string{
		400: "NDJSON", 401: "admin.key", 403: "ingest scope", 404: "check host",
		405: "takes no events", 413: "smaller batches", 415: "content type or compression", 200: "something other than a collector",
	} {
		c, n := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"title":"t","detail":"the detail","code":"the_code"}`)
		})
		_, err := c.Send(t.Context(), []byte("{}\n"), 1)
		se, ok := errors.AsType[*StatusError](err)
		require.True(t, ok, "%d", status)
		require.Equal(t, status, se.Status)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "the detail")
		require.ErrorContains(t, err, "the_code")
		require.EqualValues(t, 1, n.Load(), "%d is not tried again", status)
	}
}

func TestSendGivesUp(t *testing.T) {
	c, _ := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c.config.MaxElapsed = 5 * time.Millisecond
	_, err := c.Send(t.Context(), []byte("{}\n"), 1)
	require.ErrorIs(t, err, ErrGaveUp)
	require.ErrorContains(t, err, "503")
}

// A longer Retry-After than there is patience for ends it at once.
func TestSendHonoursRetryAfter(t *testing.T) {
	c, n := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := c.Send(t.Context(), []byte("{}\n"), 1)
	require.ErrorIs(t, err, ErrGaveUp)
	require.EqualValues(t, 1, n.Load())
}

func TestSendStopsWithContext(t *testing.T) {
	reached := make(chan struct{}, 1)
	c, _ := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		reached <- struct{}{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	_, err := c.Send(ctx, []byte("{}\n"), 1)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "x": 0, "-3": 0, "7": 7 * time.Second, "999999": time.Hour,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		require.Equal(t, want, retryAfter(header, now), header)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	c, err := New(Config{URL: "http://localhost"})
	require.NoError(t, err)
	for attempt := range 100 {
		d := c.backoff(attempt)
		require.LessOrEqual(t, d, DefaultMaxBackoff)
		require.GreaterOrEqual(t, d, min(DefaultMinBackoff<<min(attempt, 20), DefaultMaxBackoff)/2)
	}
}

func TestConfig(t *testing.T) {
	for _, bad := range []Config{
		{}, {URL: "localhost:8080"}, {URL: "ftp://host"}, {URL: "http://h", Key: "a\nb"}, {URL: "http://h", Encoding: "br"}, {URL: "http://[::"},
	} {
		_, err := New(bad)
		require.Error(t, err, "%+v", bad)
	}
	a, err := New(Config{URL: "http://h" + Path, Key: "a"})
	require.NoError(t, err)
	b, err := New(Config{URL: "http://h", Key: "b"})
	require.NoError(t, err)
	require.NotEqual(t, a.Target(), b.Target())
	require.Equal(t, strings.Split(a.Target(), "#")[0], strings.Split(b.Target(), "#")[0])
	r, err := a.Send(t.Context(), nil, 0)
	require.NoError(t, err)
	require.Zero(t, r)
}

func TestWrongSchemeIsPermanent(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	c, err := New(Config{URL: strings.Replace(s.URL, "http:", "https:", 1)})
	require.NoError(t, err)
	_, err = c.Send(t.Context(), []byte("{}\n"), 1)
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrGaveUp)
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tlsServer.Close)
	c, err = New(Config{URL: tlsServer.URL})
	require.NoError(t, err)
	_, err = c.Send(t.Context(), []byte("{}\n"), 1)
	require.ErrorContains(t, err, "certificate")
	require.NotErrorIs(t, err, ErrGaveUp)
}
