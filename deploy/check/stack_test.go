package check_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/redis"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

// counted is in an answer about one execution, all of it from rollups that are settled.
var counted = regexp.MustCompile(`"total":1,.*"pendingBuckets":0,`)

// The processes of the compose file, in its environment, on its ClickHouse and Redis and
// a Kafka: an event goes in at one end and comes out at the other, and no account lacks a
// right that this takes.
func TestComposeStack(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on the PATH (Debian: redis-server)")
	}
	broker := servertest.Kafka(t)
	dir := secrets(t)
	d := startDatabase(t, dir)
	where := map[string]string{"clickhouse:9000": d.TCPAddr(), "kafka:9092": broker.Addr(), "redis:6379": startRedis(t, dir)}

	processes := map[string]*process{}
	for _, name := range []string{"collector", "sink", "server"} {
		s := compose(t).Services[name]
		p := &process{name: name, env: environment(s, dir)}
		for variable, value := range p.env {
			if here, ok := where[value]; ok {
				p.env[variable] = here
			}
		}
		p.url = "http://" + freeAddr(t)
		p.env["FLOWGAUGE_HTTP__LISTEN"] = strings.TrimPrefix(p.url, "http://")
		p.env["FLOWGAUGE_LIMITS__REQUESTS_PER_SECOND"] = "1000" // so that Redis is asked
		p.env["FLOWGAUGE_DATA_DIR"] = filepath.Join(t.TempDir(), "data")
		p.start(t, s.Command...)
		processes[name] = p
	}
	collector, sink, server := processes["collector"], processes["sink"], processes["server"]
	key := strings.TrimSpace(server.run(t, "keys", "create", "--name", "admin", "--scope", "admin"))
	for _, p := range processes {
		require.Eventually(t, func() bool { return p.healthy("--ready") }, time.Minute, 100*time.Millisecond, "%s: %s", p.name, p.log())
	}

	now := time.Now().UTC()
	event := fmt.Sprintf(`{"kind":"execution","id":"run-1","timestamp":%q,"workflowId":"w","workflowVersion":1,"userId":"ana","triggerType":"webhook","status":"completed","duration":3120}`, now.Format(time.RFC3339))
	require.Eventually(t, func() bool {
		code, _ := ask(t, http.MethodPost, collector.url+"/api/v1/events", key, event)
		return code == http.StatusAccepted
	}, time.Minute, 200*time.Millisecond, "%s", collector.log())
	question := server.url + "/api/v1/analytics/executions/summary?from=" + now.Add(-time.Hour).Format(time.RFC3339) + "&to=" + now.Add(time.Hour).Format(time.RFC3339)
	var answer string
	for end := time.Now().Add(time.Minute); !counted.MatchString(answer); time.Sleep(200 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "%s\n%s", answer, sink.log())
		_, answer = ask(t, http.MethodGet, question, key, "")
	}
	code, answer := ask(t, http.MethodGet, server.url+"/api/v1/analytics/live?window=1m", key, "")
	require.Equal(t, http.StatusOK, code, answer)

	code, _ = ask(t, http.MethodPost, server.url+"/api/v1/events", key, event)
	assert.Equal(t, http.StatusNotFound, code, "the server takes no events")
	code, _ = ask(t, http.MethodPost, sink.url+"/api/v1/events", key, event)
	assert.Equal(t, http.StatusNotFound, code, "the sink takes no events")
	for _, p := range []*process{collector, server} {
		_, metrics := ask(t, http.MethodGet, p.url+"/metrics", "", "")
		assert.Contains(t, metrics, "\nflowgauge_limit_unchecked_total 0\n", p.name)
	}
	_, metrics := ask(t, http.MethodGet, collector.url+"/metrics", "", "")
	assert.Contains(t, metrics, "\nflowgauge_live_uncounted_events_total 0\n")
	_, err := os.Stat(server.env["FLOWGAUGE_DATA_DIR"])
	assert.ErrorIs(t, err, os.ErrNotExist, "the server writes nothing: it has no volume")
	for _, p := range processes {
		p.stop(t)
		for _, trouble := range []string{"NOPERM", "NOAUTH", "ACCESS_DENIED", "Not enough privileges", "level\":\"ERROR", "redis does not answer"} {
			assert.NotContains(t, p.log(), trouble, p.name)
		}
	}
	require.False(t, server.healthy(), "nobody is there any more")
}

// The account in Redis may what docs/security.md lists, on Flowgauge's keys.
func TestRedisAccount(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on the PATH (Debian: redis-server)")
	}
	dir := secrets(t)
	addr := startRedis(t, dir)
	client, err := redis.Open(redis.Config{Addr: addr, User: "flowgauge", Password: read(t, filepath.Join(dir, "redis"))})
	require.NoError(t, err)
	defer client.Close()
	for command, allowed := range map[string]bool{
		"PING": true, "TIME": true, "SET flowgauge:limit:x 1": true, "GET flowgauge:answer:x": true, "EXPIRE flowgauge:limit:x 1": true,
		"XADD flowgauge:live:x * a b": true, "XRANGE flowgauge:live:x - +": true, "EVAL return(1) 1 flowgauge:limit:x": true,
		"SET other 1": false, "GET other": false, "KEYS *": false, "CONFIG GET *": false, "FLUSHALL": false, "ACL LIST": false,
		"DEL flowgauge:limit:x": false, "PUBLISH c m": false, "EVAL return(1) 1 other": false,
	} {
		words := []any{}
		for word := range strings.FieldsSeq(command) {
			words = append(words, word)
		}
		err := client.Do(t.Context(), words...).Err()
		if err != nil && !strings.HasPrefix(err.Error(), "NOPERM") && err.Error() != "redis: nil" {
			require.NoError(t, err, command)
		}
		assert.Equal(t, allowed, err == nil || err.Error() == "redis: nil", "%s: %v", command, err)
	}
	stranger, err := redis.Open(redis.Config{Addr: addr})
	require.NoError(t, err)
	defer stranger.Close()
	require.ErrorContains(t, stranger.Ping(t.Context()).Err(), "NOAUTH")
}

// startRedis runs the script of the compose file.
func startRedis(t *testing.T, secrets string) string {
	t.Helper()
	addr := freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	p := &process{name: "redis", env: map[string]string{"REDIS_PASSWORD_FILE": filepath.Join(secrets, "redis"), "TMPDIR": t.TempDir()}}
	p.startProgram(t, "sh", filepath.Join(composeDir, "redis", "start.sh"), "--maxmemory", "64mb", "--bind", "127.0.0.1", "--port", port)
	require.Eventually(t, func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond, "%s", p.log())
	return addr
}

// process is a program in an environment of its own.
type process struct {
	name, url string
	env       map[string]string
	cmd       *exec.Cmd
	mu        sync.Mutex
	out       bytes.Buffer
}

func (p *process) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range p.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

func (p *process) start(t *testing.T, args ...string) {
	t.Helper()
	p.env[asProgram] = "1"
	p.startProgram(t, os.Args[0], args...)
}

func (p *process) startProgram(t *testing.T, program string, args ...string) {
	t.Helper()
	p.cmd = p.command(context.Background(), program, args...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.stop(t) })
}

// stop ends it as a container's end does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	assert.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM), p.name)
	late := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	assert.NoError(t, p.cmd.Wait(), "%s: %s", p.name, p.log())
	late.Stop()
}

// run carries a command out beside the process, as 'docker compose exec' does.
func (p *process) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := p.command(t.Context(), os.Args[0], args...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	require.NoError(t, err, problems.String())
	return string(out)
}

// healthy is the health check of the compose file.
func (p *process) healthy(flags ...string) bool {
	return p.command(context.Background(), os.Args[0], append([]string{"health"}, flags...)...).Run() == nil
}

// Write keeps what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func ask(t *testing.T, method, url, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}
