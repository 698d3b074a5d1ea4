package pluginapi_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/panel/hosted"
	"github.com/flowgauge/flowgauge/backend/pluginapi"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// named lets in whoever comes, for the tenant that is named.
type named struct{}

func (named) Authenticate(r *http.Request) (access.Principal, error) {
	return access.Principal{Tenant: r.Header.Get("Tenant"), Role: access.RoleViewer, Scopes: []access.Scope{access.ScopeRead}}, nil
}

// answers is a router of a panel's plugin that is never started: what gets as far as it is 503.
func answers(t *testing.T) http.Handler {
	t.Helper()
	t.Cleanup(hosttest.Remove)
	dir := hosttest.Misbehave(t, func(m *host.Manifest, _ string) {
		m.Extends, m.Permissions = []contract.Extension{contract.ExtensionPanel}, host.Permissions{}
	})
	h, err := host.New(host.Config{Dir: dir, Use: []host.Use{{ID: "test-misbehave", Timeout: time.Second}}})
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	router := gin.New()
	pluginapi.New(h, hosted.New(h, log), named{}, log).Register(router)
	return router
}

const down = "plugin test-misbehave is down"

func question(t *testing.T, text int) []byte {
	t.Helper()
	body, err := proto.Marshal(&contractv1.AnswerRequest{
		Question: &contractv1.Question{Kind: "test-misbehave.echo"},
		Tables:   []*contractv1.Table{{Columns: []*contractv1.Column{{Name: strings.Repeat("x", text)}}}},
	})
	require.NoError(t, err)
	return body
}

// Bytes that say "and another one" do not become many times their size.
func TestABodyTakesMemoryInProportion(t *testing.T) {
	router := answers(t)
	const size = 8 << 20
	in := func(number protowire.Number, what []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), what)
	}
	for says, body := range map[string][]byte{
		"more than 8 tables":        bytes.Repeat(in(2, nil), size/2),
		"more than 800 columns":     in(2, bytes.Repeat(in(1, nil), size/2)),
		"more than 20000 messages":  in(1, bytes.Repeat(in(6, nil), size/2)),
		"more than 5000000 values":  in(2, in(1, in(6, in(1, make([]byte, size))))),
		"in protobuf's binary form": []byte("nonsense"),
	} {
		t.Run(says, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := httptest.NewRecorder()
			router.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/plugins/answer", bytes.NewReader(body)))
			runtime.ReadMemStats(&after)
			assert.Equal(t, http.StatusBadRequest, w.Code)
			assert.Contains(t, w.Body.String(), says)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*size), "reading it into growing space takes some times its size")
		})
	}
}

// Who sends slowly keeps others from nothing, and what a tenant sends has a bound.
func TestSlowSenders(t *testing.T) {
	server := httptest.NewServer(answers(t))
	t.Cleanup(server.Close)
	post := func(tenant string, body io.Reader) (status int, text string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/v1/plugins/answer", body)
		if !assert.NoError(t, err) {
			return 0, ""
		}
		req.Header.Set("Tenant", tenant)
		res, err := http.DefaultClient.Do(req)
		if !assert.NoError(t, err) {
			return 0, ""
		}
		defer res.Body.Close()
		said, err := io.ReadAll(res.Body)
		assert.NoError(t, err)
		assert.Equal(t, res.StatusCode == http.StatusServiceUnavailable, res.Header.Get("Retry-After") != "")
		return res.StatusCode, string(said)
	}
	small, large := question(t, 1), question(t, panel.MaxMessage-1<<10)
	const slow = 6
	var ends []*io.PipeWriter
	done := make(chan string, slow)
	for i := range slow {
		from, to := io.Pipe()
		ends = append(ends, to)
		go func() {
			_, text := post("slow", from)
			done <- text
		}()
		part := small[:1]
		if i < 2 {
			part = large[:len(large)-1]
		}
		_, err := to.Write(part)
		require.NoError(t, err)
	}
	status, text := post("other", bytes.NewReader(small))
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, text, down, "it got as far as the plugin")

	// Of the tenant that has sent that much, no more is taken.
	require.Eventually(t, func() bool {
		_, text = post("slow", bytes.NewReader(question(t, 1<<20)))
		return strings.Contains(text, `"code":"busy"`)
	}, time.Minute, 10*time.Millisecond)
	_, text = post("other", bytes.NewReader(large))
	assert.Contains(t, text, down)

	for i, to := range ends {
		rest := small[1:]
		if i < 2 {
			rest = large[len(large)-1:]
		}
		_, err := to.Write(rest)
		require.NoError(t, err)
		require.NoError(t, to.Close())
		assert.Contains(t, <-done, down)
	}
	_, text = post("slow", bytes.NewReader(large))
	assert.Contains(t, text, down, "there is room again")
}
