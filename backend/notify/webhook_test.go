package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

func aMessage() *contractv1.NotifyRequest {
	return &contractv1.NotifyRequest{
		Id: "m-1", TenantId: "acme", About: AboutThreshold, Severity: contractv1.Severity_SEVERITY_CRITICAL,
		Title: "Research: \"all\" of it", Text: "Text", Details: `{"budget":"research","amount":"100"}`, At: 1_767_225_600_123,
	}
}

// What is sent is what docs/budgets.md says, and a receiver can check who has sent it.
func TestAWebhookIsSigned(t *testing.T) {
	key := []byte("a key of 32 bytes or about so many")
	secrets := []string{signingPrefix + base64.StdEncoding.EncodeToString(key), "the one before"}
	var got []string
	var text []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ = io.ReadAll(r.Body)
		id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
		seconds, err := strconv.ParseInt(at, 10, 64)
		assert.NoError(t, err)
		assert.Less(t, time.Since(time.Unix(seconds, 0)).Abs(), 5*time.Minute)
		assert.Equal(t, "m-1", id)
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		for i, k := range [][]byte{key, []byte("the one before")} {
			h := hmac.New(sha256.New, k)
			h.Write([]byte(id + "." + at + "." + string(text)))
			got = strings.Fields(r.Header.Get("webhook-signature"))
			if assert.Len(t, got, 2) {
				assert.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)), got[i])
			}
		}
	}))
	defer s.Close()
	w, err := NewWebhook(s.URL, secrets)
	require.NoError(t, err)
	require.NoError(t, w.Notify(t.Context(), aMessage()))
	require.JSONEq(t, `{"id":"m-1","about":"budget.threshold","tenant":"acme","severity":"critical","title":"Research: \"all\" of it","text":"Text",
		"details":{"budget":"research","amount":"100"},"at":"2026-01-01T00:00:00.123Z"}`, string(text))

	w, err = NewWebhook(s.URL, nil)
	require.NoError(t, err)
	unsigned := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.NotContains(t, r.Header, "Webhook-Signature")
	}))
	defer unsigned.Close()
	w.url = unsigned.URL
	require.NoError(t, w.Notify(t.Context(), aMessage()))
}

// A receiver that fails is an error that says how; neither a redirect nor an address, which
// may hold a secret, gets anywhere.
func TestAWebhookThatFails(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else nobody notices that the client has gone
		switch r.URL.Path {
		case "/redirect/s3cret":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case "/hang/s3cret":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "no chat\nfor you"+strings.Repeat("x", 10_000))
		}
	}))
	defer s.Close()
	for path, want := range map[string]string{
		"/redirect/s3cret": "redirects are not followed",
		"/refuse/s3cret":   `answers 502: "no chat\nfor you`,
		"/hang/s3cret":     "exceeded",
	} {
		w, err := NewWebhook(s.URL+path, nil)
		require.NoError(t, err)
		w.client.Timeout = 300 * time.Millisecond
		err = w.Notify(t.Context(), aMessage())
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "s3cret")
		assert.Less(t, len(err.Error()), 500)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	w, err := NewWebhook(closed.URL+"/s3cret", nil)
	require.NoError(t, err)
	err = w.Notify(t.Context(), aMessage())
	require.ErrorContains(t, err, "refused")
	assert.NotContains(t, err.Error(), "s3cret")

	for _, address := range []string{"", "file:///etc/passwd", "https://", "hooks.example.com/s3cret", "ftp://s3cret@x"} {
		_, err := NewWebhook(address, nil)
		require.ErrorContains(t, err, "https://hooks.example.com")
		assert.NotContains(t, err.Error(), "s3cret")
	}
	_, err = NewWebhook("https://x", []string{"whsec_!s3cret"})
	require.ErrorContains(t, err, "base64")
	assert.NotContains(t, err.Error(), "s3cret")
}

// A receiver that does not take a message is well, others than those that are too busy.
func TestWhatAWebhookRefuses(t *testing.T) {
	for code, want := range map[int]host.Failure{
		400: host.Refused, 403: host.Refused, 404: host.Refused, 422: host.Refused,
		408: host.Failed, 429: host.Failed, 307: host.Failed, 500: host.Failed, 503: host.Failed,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		w, err := NewWebhook(s.URL, nil)
		require.NoError(t, err)
		err = w.Notify(t.Context(), aMessage())
		require.ErrorContains(t, err, strconv.Itoa(code))
		assert.Equal(t, want, host.FailureOf(err), code)
		s.Close()
	}
}
