package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/engine"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/collector/client"
	"github.com/flowgauge/flowgauge/collector/simulate"
)

// The engine's child is this test program again; it must not build anything first.
func init() { engine.RunChildIfAsked() }

// Collector and server as processes of their own, which know ClickHouse by its
// address alone, give the figures that are counted here from the lines that were
// sent. A kill -9 of the collector in the middle loses nothing and counts nothing
// twice, the server answers while the collector is gone, and rollups that were lost
// come back by 'flowgauge recompute'.
func TestSeparateProcesses(t *testing.T) {
	// A table that is emptied behind its back is nothing that a cache can notice.
	t.Setenv("FLOWGAUGE_CACHE__ENABLED", "false")
	d := newDeployment(t)
	d.run("migrate")
	require.Contains(t, d.run("migrate"), "has schema version", "a second time it finds everything done")
	d.writeKey(d.run("keys", "create", "--name", "test", "--scope", "admin"))

	collector, server := d.start("collector"), d.start("server")
	requireRoles(t, collector, server)
	bodies, want := platform(t)
	collector = d.sendAndKill(collector, server, bodies)
	settle(t, collector, server)
	require.Equal(t, want, answered(t, server))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, table := range []string{"rollup_executions", "rollup_steps", "rollup_costs", "rollup_activity", "narrow_executions", "narrow_steps", "narrow_costs", "narrow_activity"} {
		require.NoError(t, d.endpoint.Exec(ctx, "TRUNCATE TABLE `"+d.database+"`."+table))
	}
	require.NotEqual(t, want, answered(t, server), "figures come from the rollups")
	d.run("recompute", "--from", platformBegin.Format(time.RFC3339), "--to", platformEnd.Format(time.RFC3339))
	require.Equal(t, want, answered(t, server))

	for _, p := range []*process{collector, server} {
		require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
		<-p.done
		require.Zero(t, p.cmd.ProcessState.ExitCode(), "Ctrl-C is an orderly end of the %s", p.role)
	}
}

// deployment is a ClickHouse and what commands need to reach it.
type deployment struct {
	t        *testing.T
	dir      string
	endpoint engine.Endpoint
	database string
}

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{t: t, dir: t.TempDir(), database: "flowgauge"}
	if os.Getenv("FLOWGAUGE_TEST_CLICKHOUSE") != "" {
		d.endpoint, d.database = enginetest.Start(t), enginetest.Database(t)
		return d
	}
	library, err := engine.Fetch(t.Context(), "", nil)
	require.NoError(t, err)
	e, err := engine.New(engine.Config{Library: library, Dir: filepath.Join(d.dir, "clickhouse"), MemoryLimit: 3 << 30})
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		assert.NoError(t, e.Stop(ctx))
	})
	d.endpoint = e.Endpoint()
	require.NoError(t, d.endpoint.Exec(t.Context(), "CREATE DATABASE "+d.database))
	return d
}

// command prepares a command of the program, with the database in its environment.
func (d *deployment) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, append(args, "--data-dir", d.dir, "--log-level", "error")...)
	cmd.Env = append(os.Environ(),
		"FLOWGAUGE_CLICKHOUSE__ADDR="+d.endpoint.TCPAddr(), "FLOWGAUGE_CLICKHOUSE__DATABASE="+d.database,
		"FLOWGAUGE_CLICKHOUSE__USER="+d.endpoint.Writer.Name, "FLOWGAUGE_CLICKHOUSE__PASSWORD="+d.endpoint.Writer.Password)
	return cmd
}

// run carries a command out and returns what it printed.
func (d *deployment) run(args ...string) string {
	d.t.Helper()
	var out, problems bytes.Buffer
	cmd := d.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &problems
	require.NoError(d.t, cmd.Run(), "flowgauge %s: %s", args, problems.String())
	return out.String()
}

// writeKey puts a key where this package's helpers look for it.
func (d *deployment) writeKey(secret string) {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(filepath.Join(d.dir, "admin.key"), []byte(secret), 0o600))
}

// process is a collector or a server.
type process struct {
	*server
	role string
}

// start runs one role on a port of its own and waits until it is ready.
func (d *deployment) start(role string) *process {
	d.t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(d.t, err)
	address := free.Addr().String()
	require.NoError(d.t, free.Close())
	return d.startAt(role, address)
}

func (d *deployment) startAt(role, address string) *process {
	d.t.Helper()
	p := &process{server: &server{t: d.t, dir: d.dir, url: "http://" + address, done: make(chan struct{}), http: http.DefaultClient}, role: role}
	p.cmd = d.command(role, "--http", address)
	p.cmd.Stderr = os.Stderr
	require.NoError(d.t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	d.t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		<-p.done
	})
	require.Eventually(d.t, func() bool {
		resp, err := http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond, "the %s does not become ready", role)
	return p
}

// requireRoles checks that each process does its own work only.
func requireRoles(t *testing.T, collector, server *process) {
	t.Helper()
	status, _ := collector.call(http.MethodGet, "/api/v1/analytics/catalogue", "", nil)
	assert.Equal(t, http.StatusNotFound, status, "a collector answers no questions")
	status, _ = server.call(http.MethodGet, "/api/v1/analytics/catalogue", "", nil)
	assert.Equal(t, http.StatusOK, status)
	status, _ = server.call(http.MethodPost, client.Path, "application/x-ndjson", strings.NewReader("{}"))
	assert.Equal(t, http.StatusNotFound, status, "a server takes no events")
}

// sendAndKill sends bodies, two at a time, and kills the collector when a part is
// stored, a part is in the log and a part is not sent. The senders go on with the
// collector that is started in its place, which is returned.
func (d *deployment) sendAndKill(collector, server *process, bodies []body) *process {
	d.t.Helper()
	c, err := client.New(client.Config{URL: collector.url, Key: collector.key(), MaxElapsed: client.Forever, MaxBackoff: time.Second})
	require.NoError(d.t, err)
	var accepted atomic.Int64
	send := func(part []body) (wait func()) {
		var senders sync.WaitGroup
		for n := range 2 {
			senders.Go(func() {
				for i := n; i < len(part); i += 2 {
					receipt, err := c.Send(d.t.Context(), part[i].text, part[i].events)
					assert.NoError(d.t, err)
					assert.Equal(d.t, part[i].events, receipt.Accepted)
					accepted.Add(1)
				}
			})
		}
		return senders.Wait
	}
	half := len(bodies) / 2
	send(bodies[:half])()
	for storedRecords(collector.server) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	wait := send(bodies[half:])
	for accepted.Load() < int64(half+half/2) {
		time.Sleep(time.Millisecond)
	}
	collector.kill()
	require.Less(d.t, accepted.Load(), int64(len(bodies)), "the kill came too late: send more")

	server.ask(`{"metrics":["executions"],` + platformPeriod + `}`)
	status, text := server.call(http.MethodGet, "/readyz", "", nil)
	require.Equal(d.t, http.StatusOK, status, "the server needs no collector: %s", text)
	collector = d.startAt(collector.role, strings.TrimPrefix(collector.url, "http://"))
	wait()
	return collector
}

// settle waits until everything is stored, which the collector knows, and rolled
// up, which the server does.
func settle(t *testing.T, collector, server *process) {
	t.Helper()
	for ; ; time.Sleep(100 * time.Millisecond) {
		_, metrics := collector.call(http.MethodGet, "/metrics", "", nil)
		if !strings.Contains(string(metrics), "\nflowgauge_wal_pending_records 0\n") {
			continue
		}
		rows := server.ask(`{"metrics":["pending_buckets"],` + platformPeriod + `}`)
		require.Len(t, rows, 1)
		if rows[0]["pending_buckets"] == json.Number("0") {
			return
		}
	}
}

// What the simulated platform does on two days in March.
var (
	platformBegin  = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	platformEnd    = platformBegin.Add(48 * time.Hour)
	platformPeriod = fmt.Sprintf(`"from":%q,"to":%q`, platformBegin.Format(time.RFC3339), platformEnd.Format(time.RFC3339))
)

// totals are exact sums by what they are of. What there is none of has none.
type totals map[string]*big.Rat

func (t totals) add(name, amount string) {
	n, ok := new(big.Rat).SetString(amount)
	if !ok {
		panic(fmt.Sprintf("%s is %q, which is no number", name, amount))
	}
	if n.Sign() == 0 {
		return
	}
	if t[name] == nil {
		t[name] = new(big.Rat)
	}
	t[name].Add(t[name], n)
}

// text makes totals that can be compared and read.
func (t totals) text() map[string]string {
	out := map[string]string{}
	for name, sum := range t {
		out[name] = sum.RatString()
	}
	return out
}

// platform returns the lines to send and what they add up to, counted from the
// lines alone.
func platform(t *testing.T) ([]body, map[string]string) {
	t.Helper()
	p, err := simulate.New(simulate.Config{Seed: 1})
	require.NoError(t, err)
	var out []body
	want := totals{}
	users := map[string]bool{}
	for chunk := range p.History(platformBegin, platformEnd) {
		for text, n := range chunk.Split(200, 4<<20) {
			out = append(out, body{slices.Clone(text), n})
		}
		lines := json.NewDecoder(bytes.NewReader(chunk.Body))
		lines.UseNumber()
		for {
			var e line
			err := lines.Decode(&e)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			want.take(e)
			if e.Kind == "activity" {
				users[e.Timestamp[:10]+" "+e.UserID] = true
			}
		}
	}
	for dayAndUser := range maps.Keys(users) {
		want.add("active users on "+dayAndUser[:10], "1")
	}
	return out, want.text()
}

// line is what is counted of an event, as it is sent.
type line struct {
	Kind, Timestamp, Status, UserID, WorkflowID, StepType, ActionType, Action, DollarAmount string

	Duration json.Number
}

func (t totals) take(e line) {
	switch e.Kind {
	case "execution":
		if e.Status == "started" {
			t.add("started of "+e.WorkflowID, "1")
			return
		}
		t.add(e.Status+" of "+e.WorkflowID, "1")
		t.add("duration on "+e.Timestamp[:10], e.Duration.String())
	case "step":
		t.add(e.Status+" steps of type "+e.StepType, "1")
		if e.Status != "skipped" {
			t.add("duration of steps of type "+e.StepType, e.Duration.String())
		}
	case "cost":
		t.add("dollars of "+e.ActionType, e.DollarAmount)
	case "activity":
		t.add("actions "+e.Action, "1")
	}
}

// answered asks the server for the same figures.
func answered(t *testing.T, server *process) map[string]string {
	t.Helper()
	got := totals{}
	take := func(r row, metric, name string) { got.add(name, r.text(metric)) }
	for _, r := range server.ask(`{"metrics":["executions_started","executions_completed","executions_failed"],"groupBy":["workflow"],` + platformPeriod + `}`) {
		for _, status := range []string{"started", "completed", "failed"} {
			take(r, "executions_"+status, status+" of "+r.text("workflow"))
		}
	}
	for _, r := range server.ask(`{"metrics":["duration_sum"],"granularity":"day",` + platformPeriod + `}`) {
		take(r, "duration_sum", "duration on "+r.text("time")[:10])
	}
	for _, r := range server.ask(`{"metrics":["steps_completed","steps_failed","steps_skipped","step_duration_sum"],"groupBy":["step_type"],` + platformPeriod + `}`) {
		for _, status := range []string{"completed", "failed", "skipped"} {
			take(r, "steps_"+status, status+" steps of type "+r.text("step_type"))
		}
		take(r, "step_duration_sum", "duration of steps of type "+r.text("step_type"))
	}
	for _, r := range server.ask(`{"metrics":["dollars"],"groupBy":["action_type"],` + platformPeriod + `}`) {
		take(r, "dollars", "dollars of "+r.text("action_type"))
	}
	for _, r := range server.ask(`{"metrics":["actions"],"groupBy":["action"],` + platformPeriod + `}`) {
		take(r, "actions", "actions "+r.text("action"))
	}
	for _, r := range server.ask(`{"metrics":["active_users"],"granularity":"day",` + platformPeriod + `}`) {
		take(r, "active_users", "active users on "+r.text("time")[:10])
	}
	return got.text()
}
