package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// posts is a receiver that notes what is posted to it, while it is open.
type posts struct {
	*httptest.Server
	mu     sync.Mutex
	closed bool
	all    []string
}

func newPosts(t *testing.T, check func(r *http.Request, body []byte)) *posts {
	p := &posts{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		check(r, body)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.closed {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p.all = append(p.all, string(body))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *posts) shut(closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = closed
}

// about are those that speak of a budget.
func (p *posts) about(name string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, text := range p.all {
		if strings.Contains(text, name) {
			out = append(out, text)
		}
	}
	return out
}

func (s *server) put(budget string) (int, string) {
	s.t.Helper()
	status, answer := s.call(http.MethodPut, "/api/v1/analytics/costs/budgets", "application/json", strings.NewReader(budget))
	return status, string(answer)
}

// From a budget and costs over REST to people: by a webhook that checks who has sent it, and by
// a plugin that its author has just made. What cannot be delivered is, when it can be; a
// program that starts again tells nobody twice.
func TestPeopleAreToldAboutBudgets(t *testing.T) {
	t.Parallel()
	folder := ownPlugin(t, "notifier", "acme-chat")
	data := t.TempDir()
	out, err := exec.Command(program, "plugin", "install", folder, "--data-dir", data).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.NotContains(t, string(out), "on_failure", "events do not pass it")

	ops := newPosts(t, func(r *http.Request, body []byte) {
		h := hmac.New(sha256.New, []byte("a secret"))
		h.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "."))
		h.Write(body)
		assert.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)), r.Header.Get("webhook-signature"))
	})
	chat := newPosts(t, func(*http.Request, []byte) {})
	chat.shut(true)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hangs.Close()
	files := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(files, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	config := write("flowgauge.yaml", fmt.Sprintf(`
notify:
  interval: 1s
  webhooks:
    - {name: ops, url: "%s", secret_file: "%s"}
    - {name: hangs, url: "%s"}
    - {name: others, url: "%s", tenants: [other]}
plugins:
  use:
    - {id: acme-chat, secret_files: {url: "%s"}}
`, ops.URL, write("secret", "a secret\n"), hangs.URL, ops.URL, write("url", chat.URL+"/s3cret\n")))
	s := up(t, data, "--config", config)

	status, answer := s.put(`{"id":"b","name":"b","of":"dollars","amount":1,"period":{"unit":"year"},"notify":["pager"]}`)
	require.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, answer, "ops, hangs, acme-chat", "names that can be given are said, but not what is for others")
	assert.NotContains(t, answer, "others")

	status, answer = s.put(`{"id":"research","name":"Research","of":"dollars","amount":"100","period":{"unit":"year"},"thresholds":[{"percent":50}],"notify":["hangs","ops","acme-chat"]}`)
	require.Equal(t, http.StatusOK, status, answer)
	spend := func(id, dollars string) {
		status, answer := s.call(http.MethodPost, "/api/v1/events", "application/json", strings.NewReader(
			fmt.Sprintf(`{"kind":"cost","id":"%s","timestamp":"%s","userId":"ann","actionType":"call","credits":"1","dollarAmount":"%s"}`, id, time.Now().UTC().Format(time.RFC3339), dollars)))
		require.Equal(t, http.StatusAccepted, status, "%s", answer)
	}
	spend("a", "60")
	log := func() string {
		text, err := os.ReadFile(filepath.Join(data, "flowgauge.log"))
		require.NoError(t, err)
		return string(text)
	}
	eventually := func(what string, is func() bool) {
		t.Helper()
		if !assert.Eventually(t, is, 150*time.Second, 100*time.Millisecond, what) {
			t.Log(log())
			t.Log(ops.about("R"), chat.about("R"))
			t.FailNow()
		}
	}
	eventually("the webhook is told, whoever else hangs or fails", func() bool { return len(ops.about("Research")) == 1 })
	var message struct {
		ID, Title, Severity string
		Details             struct{ Budget, Spent, Reached string }
	}
	require.NoError(t, json.Unmarshal([]byte(ops.about("Research")[0]), &message))
	assert.Equal(t, []string{"warning", "research", "60", "50"}, []string{message.Severity, message.Details.Budget, message.Details.Spent, message.Details.Reached})
	eventually("the log says why the plugin does not deliver", func() bool { return strings.Contains(log(), "the chat answers 503") })
	assert.NotContains(t, log(), "s3cret")
	assert.Empty(t, chat.about("Research"))

	// The program is killed while a message waits, and the record of another is stored.
	metrics := func(lines ...string) func() bool {
		return func() bool {
			_, all := s.call(http.MethodGet, "/metrics", "", nil)
			return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(string(all), "\n"+line+"\n") })
		}
	}
	eventually("what was delivered is recorded", metrics(`flowgauge_notifications_total{notifier="ops",outcome="delivered"} 1`, `flowgauge_notifications_waiting{notifier="ops"} 0`))
	s.kill()
	chat.shut(false)
	s = up(t, data, "--config", config)
	eventually("the plugin delivers it", func() bool { return len(chat.about("Research")) == 1 })
	assert.Contains(t, chat.about("Research")[0], "50 % of the budget is reached")
	spend("b", "60")
	eventually("the amount is told of by both", func() bool { return len(ops.about("Research")) == 2 && len(chat.about("Research")) == 2 })
	assert.Contains(t, ops.about("Research")[1], `"severity":"critical"`)
	assert.Contains(t, ops.about("Research")[1], `"spent":"120"`)
	eventually("it is counted", metrics(`flowgauge_notifications_total{notifier="ops",outcome="delivered"} 1`, `flowgauge_notifications_waiting{notifier="hangs"} 2`))
}
