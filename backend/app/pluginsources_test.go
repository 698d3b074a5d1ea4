package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ownSource makes a source as its author does, installs it, and returns where it was made.
func ownSource(t *testing.T, id, data string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	folder := filepath.Join(dir, id)
	for _, c := range []struct {
		in   string
		args []string
		want string
	}{
		{dir, []string{program, "plugin", "new", "--kind", "source", "--flowgauge", root, id}, "is written"},
		{folder, []string{"go", "mod", "tidy"}, ""},
		{folder, []string{"go", "vet", "./..."}, ""},
		{folder, []string{"go", "test", "./..."}, "ok"},
		{folder, []string{"go", "build", "-o", "package/" + id, "."}, ""},
		{folder, []string{program, "plugin", "pack", "package"}, "is packed, files: 1"},
		{folder, []string{program, "plugin", "test", "package", "--request", "sample.http"}, "ok    source: it makes valid events of sample.http"},
		{folder, []string{program, "plugin", "install", "package", "--data-dir", data}, "is installed"},
	} {
		cmd := exec.Command(c.args[0], c.args[1:]...)
		cmd.Dir = c.in
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%v\n%s", c.args, out)
		assert.Contains(t, string(out), c.want)
	}
	return folder
}

// A runsFeed has runs that it can be asked for, those up to known.
type runsFeed struct {
	*httptest.Server
	known atomic.Int64
	asked atomic.Int64
}

func newRunsFeed(t *testing.T) *runsFeed {
	t.Helper()
	p := &runsFeed{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		from, err := strconv.ParseInt("0"+r.URL.Query().Get("after"), 10, 64)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		known := p.known.Load()
		to := min(from+20, known)
		var runs []string
		for n := from; n < to; n++ {
			runs = append(runs, platformRun(n))
		}
		fmt.Fprintf(w, `{"runs":[%s],"next":"%d","more":%t}`, strings.Join(runs, ","), to, to < known)
	}))
	t.Cleanup(p.Close)
	return p
}

func platformRun(n int64) string {
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	return fmt.Sprintf(`{"id":"r%d","workflow":"invoices","status":"failed","started":%q,"finished":%q,"error":"no paper"}`,
		n, at.Format(time.RFC3339), at.Add(2*time.Second).Format(time.RFC3339))
}

// hook sends a run with a signature.
func (s *server) hook(t *testing.T, secret, body, key string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/plugins/acme-feed/runs", strings.NewReader(body))
	require.NoError(t, err)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req.Header.Set("X-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := s.http.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

// What a platform sends and what it is asked for are figures, each run once, whoever is killed
// meanwhile.
func TestASourceOfOnesOwn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	ownSource(t, "acme-feed", data)
	feed := newRunsFeed(t)
	secret, file := filepath.Join(data, "secret"), filepath.Join(data, "flowgauge.yaml")
	require.NoError(t, os.WriteFile(secret, []byte("hush\n"), 0o600))
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(`plugins:
  use:
    - id: acme-feed
      tenant: default
      every: 1s
      settings: {url: %q}
      secret_files: {secret: %q}
`, feed.URL, secret)), 0o600))
	s := up(t, data, "--config", file)
	executions := func() int64 {
		s.settle()
		rows := s.ask(`{"metrics":["executions_failed"],"groupBy":["workflow"],"from":"2026-03-01T00:00:00Z","to":"2026-03-03T00:00:00Z"}`)
		if len(rows) == 0 {
			return 0
		}
		require.Len(t, rows, 1, "%v", rows)
		return rows[0].number(t, "executions_failed")
	}
	// An answer may be some seconds old where the machine is slow.
	requireExecutions := func(want int64) {
		t.Helper()
		var got int64
		require.Eventually(t, func() bool { got = executions(); return got >= want }, time.Minute, 200*time.Millisecond, "%d", got)
		require.Equal(t, want, got)
	}
	// A start takes the plugin a moment.
	require.Eventually(t, func() bool {
		return s.status("", http.MethodGet, "/plugins/acme-feed/?challenge=it+is+me", "") == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
	body := `{"runs":[` + platformRun(3) + `,` + platformRun(100_000) + `]}`
	assert.Equal(t, http.StatusUnauthorized, s.hook(t, "wrong", body, ""))
	assert.Equal(t, http.StatusUnauthorized, s.hook(t, "hush", body, "no-key"))
	assert.Equal(t, http.StatusAccepted, s.hook(t, "hush", body, ""))
	requireExecutions(2)

	// What cannot be taken waits until it is corrected, and is then put to the plugin again.
	const incomplete = `{"runs":[{"id":"r"}]}`
	assert.Equal(t, http.StatusBadRequest, s.hook(t, "hush", incomplete, ""), "a run without times")
	s.settle()
	var list struct {
		Data []struct{ ID, Path, Payload string }
	}
	s.answered(http.StatusOK, http.MethodGet, "/api/v1/collector/dead-letters", "", "", &list)
	require.Len(t, list.Data, 1)
	assert.Equal(t, "/plugins/acme-feed/runs", list.Data[0].Path)
	assert.JSONEq(t, incomplete, list.Data[0].Payload)
	var replayed struct {
		Data struct{ State string }
	}
	s.answered(http.StatusOK, http.MethodPost, "/api/v1/collector/dead-letters/"+list.Data[0].ID+"/replay", "application/json", `{"runs":[`+platformRun(100_001)+`]}`, &replayed)
	assert.Equal(t, "replayed", replayed.Data.State)
	requireExecutions(3)

	// A key says whose it is, and nothing that is sent does.
	theirs := strings.TrimSpace(s.keys("create", "--tenant", "umbrella", "--name", "theirs", "--scope", "ingest"))
	empty := `{"runs":[]}`
	require.Eventually(t, func() bool { return s.hook(t, "", empty, theirs) == http.StatusAccepted }, time.Minute, 50*time.Millisecond)
	assert.Equal(t, http.StatusAccepted, s.hook(t, "", `{"runs":[`+platformRun(200_000)+`]}`, theirs))
	requireExecutions(3)

	cursor := func() string {
		text, err := os.ReadFile(filepath.Join(data, "sources", "acme-feed.json"))
		if os.IsNotExist(err) {
			return ""
		}
		require.NoError(t, err)
		return string(text)
	}
	until := func(known int64, during func()) {
		feed.known.Store(known)
		asked := feed.asked.Load()
		require.Eventually(t, func() bool { return feed.asked.Load() > asked+3 }, time.Minute, time.Millisecond, "it is being asked")
		during()
		require.Eventually(t, func() bool { return strings.Contains(cursor(), fmt.Sprintf(`"cursor":"%d"`, known)) }, 2*time.Minute, 20*time.Millisecond, "%s", cursor())
	}
	until(3000, func() {
		require.NoError(t, exec.Command("pkill", "-KILL", "-P", strconv.Itoa(s.cmd.Process.Pid), "-x", "acme-feed").Run())
	})
	until(6000, func() { require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP)) })
	until(12_000, func() {
		s.kill()
		assert.NotContains(t, cursor(), `"12000"`, "it was killed while it had more to ask for")
		s = up(t, data, "--config", file)
	})
	requireExecutions(12_002)

	_, metrics := s.call(http.MethodGet, "/metrics", "", nil)
	assert.Contains(t, string(metrics), `flowgauge_source_pulls_total{outcome="ok",plugin="acme-feed"}`)
	assert.Contains(t, string(metrics), `flowgauge_source_last_success_timestamp_seconds{plugin="acme-feed"}`)
	assert.Contains(t, string(metrics), `flowgauge_plugin_calls_total{extension="source",outcome="ok",plugin="acme-feed"}`)
}
