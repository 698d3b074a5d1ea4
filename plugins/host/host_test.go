package host_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestMain(m *testing.M) {
	if plugins := os.Getenv("TEST_HOST_OF"); plugins != "" {
		hostUntilKilled(plugins)
	}
	code := m.Run()
	hosttest.Remove()
	os.Exit(code)
}

type running struct {
	*host.Plugin
	host     *host.Host
	registry *prometheus.Registry
	log      *hosttest.Log
	stop     func()
}

// run runs test-misbehave, which enriches, until the test ends.
func run(t *testing.T, plugins string, use host.Use) *running {
	t.Helper()
	if use.OnFailure == "" {
		use.OnFailure = host.Hold
	}
	return runAsking(t, nil, plugins, use)
}

// runAsking runs it in a process that asks for some extensions.
func runAsking(t *testing.T, asks []contract.Extension, plugins string, use host.Use) *running {
	t.Helper()
	r := &running{registry: prometheus.NewRegistry(), log: &hosttest.Log{}}
	use.ID = "test-misbehave"
	if use.Timeout == 0 {
		use.Timeout = time.Minute
	}
	h, err := host.New(host.Config{Dir: plugins, Use: []host.Use{use}, Extensions: asks, Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Registerer: r.registry})
	require.NoError(t, err)
	r.host = h
	for _, e := range contract.Extensions {
		if some := h.Plugins(e); len(some) > 0 {
			r.Plugin = some[0]
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	r.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(r.stop)
	return r
}

func (r *running) enrich(t *testing.T, metadata string) error {
	return r.enrichWithin(t.Context(), metadata)
}

func (r *running) enrichWithin(ctx context.Context, metadata string) error {
	return r.Call(ctx, contract.ExtensionEnricher, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) error {
		_, err := contractv1.NewEnricherClient(conn).Enrich(ctx, &contractv1.EnrichRequest{Events: []*contract.Event{{Id: "e", Metadata: &metadata}}})
		return err
	})
}

func (r *running) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, time.Minute, 20*time.Millisecond, "%s; its state: %v\n%s", what, r.Err(), lastLines(r.log))
}

func lastLines(l *hosttest.Log) string {
	text := l.String()
	return text[max(0, len(text)-3000):]
}

func TestWhatAPluginRefusesIsNoFailure(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "refused", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	for range 10 {
		err := r.enrich(t, "poison")
		var refused *host.RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "metadata: it has poison in it", refused.Message)
		assert.False(t, refused.Unimplemented)
		require.NoError(t, r.Err())
	}
	err := r.Call(t.Context(), contract.ExtensionPanel, func(ctx context.Context, conn grpc.ClientConnInterface, _ *host.Manifest) error {
		return conn.Invoke(ctx, "/flowgauge.plugin.v1.Panel/Nothing", &contractv1.DescribeRequest{}, &contractv1.DescribeResponse{})
	})
	var refused *host.RefusedError
	require.ErrorAs(t, err, &refused)
	assert.True(t, refused.Unimplemented)
}

func TestOnlyAPluginThatEventsPassHasAPolicy(t *testing.T) {
	plugins := hosttest.Misbehave(t, nil)
	_, err := host.New(host.Config{Dir: plugins, Use: []host.Use{{ID: "test-misbehave"}}})
	require.ErrorContains(t, err, "say what becomes of events")
	plugins = hosttest.Misbehave(t, func(m *host.Manifest, _ string) { m.Extends = []contract.Extension{contract.ExtensionNotifier} })
	_, err = host.New(host.Config{Dir: plugins, Use: []host.Use{{ID: "test-misbehave", OnFailure: host.Hold}}})
	require.ErrorContains(t, err, "events do not pass this plugin")
	h, err := host.New(host.Config{Dir: plugins, Use: []host.Use{{ID: "test-misbehave"}}, Extensions: []contract.Extension{contract.ExtensionEnricher}})
	require.NoError(t, err)
	assert.Empty(t, h.Plugins(contract.ExtensionNotifier), "of a process that asks enrichers only")
}

func TestAPluginThatCrashesIsStartedAgain(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "crash", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	require.NoError(t, r.enrich(t, `{"a":"fine"}`))
	require.ErrorContains(t, r.enrich(t, `{"a":"poison"}`), "its process has gone")
	r.eventually(t, "its end is seen", func() bool { return restarts(r) > 0 })
	assert.Contains(t, r.log.String(), "its process has ended")
	r.eventually(t, "it starts again", func() bool { return r.Err() == nil })
	require.NoError(t, r.enrich(t, `{"a":"fine"}`))
}

func restarts(r *running) float64 {
	n, err := testutil.GatherAndCount(r.registry, "flowgauge_plugin_restarts_total")
	if err != nil || n == 0 {
		return 0
	}
	return metric(r, "flowgauge_plugin_restarts_total")
}

func metric(r *running, name string) (sum float64) {
	families, _ := r.registry.Gather()
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestAPluginThatHangsIsStartedAgain(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "hang", false), Timeout: 100 * time.Millisecond})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	for range 3 {
		require.ErrorContains(t, r.enrich(t, `{"a":"poison"}`), "no answer within 100ms")
	}
	var down *host.DownError
	require.ErrorAs(t, r.enrich(t, `{"a":"fine"}`), &down, "it is not asked while it is down")
	r.eventually(t, "it starts again", func() bool { return r.Err() == nil })
	r.eventually(t, "it answers", func() bool { return r.enrich(t, `{"a":"fine"}`) == nil })
	assert.GreaterOrEqual(t, restarts(r), 1.0)
}

func TestWhatDoesNotStartSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(m *host.Manifest, dir string)
		settings string
		env      string
		after    func(t *testing.T, dir string)
		want     string
	}{
		"another version": {
			change: func(m *host.Manifest, dir string) {
				rename(dir, "liar")
				m.Command = []string{"./liar"}
			},
			want: "the program says that it is test-misbehave 0.9.0, its manifest says test-misbehave 1.0.0",
		},
		"changed file": {
			after: func(t *testing.T, dir string) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "misbehave"), []byte("#!/bin/sh\n"), 0o600))
			},
			want: "the file misbehave is not that of the manifest",
		},
		"added file": {
			after: func(t *testing.T, dir string) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "evil.so"), nil, 0o600))
			},
			want: "the file evil.so is not in the manifest",
		},
		"settings":        {settings: "refuse", want: `its settings: how is "refuse": want anything else`},
		"no plugin":       {change: script("#!/bin/sh\necho hello; sleep 30\n"), want: "Unrecognized remote plugin message: hello"},
		"its own problem": {env: "exit", want: "it ended before it was ready; what it wrote is in the log"},
		"no program":      {change: func(m *host.Manifest, _ string) { m.Command = []string{"./nothing"} }, want: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("MISBEHAVE_AT_START", c.env)
			plugins := t.TempDir()
			installed := hosttest.Install(t, plugins, c.change)
			if c.after != nil {
				c.after(t, installed.Dir)
			}
			r := run(t, plugins, host.Use{Settings: hosttest.Settings(t, c.settings, false)})
			r.eventually(t, "the reason is known", func() bool { return r.Err() != nil && strings.Contains(r.Err().Error(), c.want) })
			assert.Contains(t, r.log.String(), "a plugin is down")
			assert.Zero(t, metric(r, "flowgauge_plugin_up"))
		})
	}
}

func rename(dir, to string) { _ = os.Rename(filepath.Join(dir, "misbehave"), filepath.Join(dir, to)) }

func script(text string) func(m *host.Manifest, dir string) {
	return func(m *host.Manifest, dir string) {
		_ = os.Remove(filepath.Join(dir, "misbehave"))
		_ = os.WriteFile(filepath.Join(dir, "misbehave"), []byte(text), 0o700)
		m.Command = []string{"./misbehave"}
	}
}

func TestItsLogIsPassedOn(t *testing.T) {
	t.Setenv("MISBEHAVE_AT_START", "exit")
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "", false)})
	r.eventually(t, "what it writes is in the log", func() bool { return strings.Contains(r.log.String(), "no licence found") })
	t.Setenv("MISBEHAVE_AT_START", "")
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	require.NoError(t, r.enrich(t, `{"a":"tell"}`))
	r.eventually(t, "what it writes while it serves is too", func() bool { return strings.Contains(r.log.String(), `msg="it was told" plugin=test-misbehave`) })
	assert.Contains(t, r.log.String(), "msg=\""+strings.Repeat("x", 4000)+" …")
}

func TestItsLogIsThePluginsAlone(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	r.stop()
	for line := range strings.Lines(r.log.String()) {
		assert.Contains(t, line, "a plugin is up", "how go-plugin fares is of no use to operators")
	}
}

func TestAFloodOfLogIsBounded(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "flood", false)})
	r.eventually(t, "lines are left out", func() bool { return metric(r, "flowgauge_plugin_log_lines_left_out_total") > 10_000 })
	assert.Less(t, strings.Count(r.log.String(), "\n"), 5000)
	assert.Contains(t, r.log.String(), "the same line once more")
	require.NoError(t, r.enrich(t, `{}`), "it answers all the same")
}

func TestAPluginThatLeaksIsStartedAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory of a process is known on Linux only")
	}
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "leak", false), MemoryBytes: 200 << 20})
	r.eventually(t, "its memory is seen", func() bool { return strings.Contains(r.log.String(), "200 are allowed (memory_bytes)") })
}

func TestTheEnvironmentIsNotPassedOn(t *testing.T) {
	t.Setenv("FLOWGAUGE_SECRET", "hush")
	plugins := t.TempDir()
	out := filepath.Join(t.TempDir(), "environment")
	hosttest.Install(t, plugins, script("#!/bin/sh\nenv > "+out+"\n"))
	run(t, plugins, host.Use{Settings: hosttest.Settings(t, "", false)})
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(out)
		return err == nil && strings.Contains(string(text), "FLOWGAUGE_PLUGIN=")
	}, time.Minute, 20*time.Millisecond)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "hush")
	assert.Contains(t, string(text), "PYTHONDONTWRITEBYTECODE=1\n", "its folder stays as it is")
}

func TestAReloadLosesNoCall(t *testing.T) {
	plugins := hosttest.Misbehave(t, nil)
	r := run(t, plugins, host.Use{Settings: hosttest.Settings(t, "", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	var failed atomic.Pointer[error]
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for ctx.Err() == nil {
				if err := r.enrich(t, `{}`); err != nil {
					failed.Store(&err)
				}
				asked.Add(1)
			}
		})
	}
	for range 3 {
		before := asked.Load()
		require.NoError(t, r.Reload(t.Context()))
		r.eventually(t, "calls go on", func() bool { return asked.Load() > before+50 })
	}
	cancel()
	callers.Wait()
	if err := failed.Load(); err != nil {
		t.Error(*err)
	}
}

func TestAReloadTakesTheNewestVersionThatStarts(t *testing.T) {
	plugins := hosttest.Misbehave(t, nil)
	r := run(t, plugins, host.Use{Settings: hosttest.Settings(t, "", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	hosttest.Install(t, plugins, func(m *host.Manifest, _ string) { m.Version = "1.1.0" }) // the program says 1.0.0
	require.ErrorContains(t, r.Reload(t.Context()), "the program says that it is test-misbehave 1.0.0")
	require.NoError(t, r.enrich(t, `{}`), "the old one stays")
	assert.Equal(t, "1.0.0", r.Manifest().Version)

	hosttest.Install(t, plugins, func(m *host.Manifest, _ string) {
		m.Version = "2.0.0-rc.1"
	})
	all, err := host.List(plugins)
	require.NoError(t, err)
	var versions []string
	for _, p := range all {
		versions = append(versions, p.Manifest.Version)
	}
	assert.Equal(t, []string{"1.1.0", "1.0.0", "2.0.0-rc.1"}, versions, "the newest first, and behind them what is no release yet")
}

// What a plugin is asked for is settled at the start. A version that extends something else needs
// another one, and the operator is told so, if it matters to this process.
func TestAReloadToAVersionThatExtendsSomethingElse(t *testing.T) {
	const told = "a plugin extends something else than at the start of this process"
	reload := func(t *testing.T, asks []contract.Extension, use host.Use, before, after []contract.Extension) string {
		plugins := hosttest.Misbehave(t, func(m *host.Manifest, dir string) {
			rename(dir, "liar") // says that it is 0.9.0
			m.Version, m.Command, m.Extends, m.Permissions = "0.9.0", []string{"./liar"}, before, host.Permissions{Kinds: contract.Kinds}
		})
		use.Settings = hosttest.Settings(t, "", false)
		r := runAsking(t, asks, plugins, use)
		r.eventually(t, "it starts", func() bool { return r.Err() == nil })
		hosttest.Install(t, plugins, func(m *host.Manifest, _ string) {
			m.Extends, m.Permissions = after, host.Permissions{Kinds: contract.Kinds}
		})
		require.NotContains(t, r.log.String(), told)
		require.NoError(t, r.Reload(t.Context()))
		require.Equal(t, "1.0.0", r.Manifest().Version)
		return r.log.String()
	}
	enricher, pricer, notifier, panel := contract.ExtensionEnricher, contract.ExtensionPricer, contract.ExtensionNotifier, contract.ExtensionPanel
	hold := host.Use{OnFailure: host.Hold}

	log := reload(t, nil, hold, []contract.Extension{enricher, pricer}, []contract.Extension{notifier, enricher, panel})
	assert.Contains(t, log, told)
	assert.Contains(t, log, `plugin=test-misbehave version=1.0.0 version_at_start=0.9.0 added="[notifier panel]" removed=[pricer]`)
	assert.Contains(t, log, "level=WARN")
	assert.NotContains(t, log, "change_first")

	log = reload(t, nil, host.Use{}, []contract.Extension{notifier}, []contract.Extension{enricher, notifier})
	assert.Contains(t, log, "added=[enricher] removed=[]")
	assert.Contains(t, log, "say what becomes of events", "without a policy it would not start")

	log = reload(t, []contract.Extension{enricher, pricer}, hold, []contract.Extension{enricher, notifier}, []contract.Extension{enricher, panel})
	assert.NotContains(t, log, told, "others ask notifiers and panels")

	log = reload(t, nil, hold, []contract.Extension{enricher, pricer}, []contract.Extension{pricer, enricher})
	assert.NotContains(t, log, told)

	t.Run("that this process did not run", func(t *testing.T) {
		extending := func(version string, e contract.Extension) func(m *host.Manifest, dir string) {
			return func(m *host.Manifest, _ string) {
				m.Version, m.Extends, m.Permissions = version, []contract.Extension{e}, host.Permissions{}
			}
		}
		plugins := hosttest.Misbehave(t, extending("1.0.0", panel))
		log := &hosttest.Log{}
		h, err := host.New(host.Config{
			Dir: plugins, Use: []host.Use{{ID: "test-misbehave"}}, Extensions: []contract.Extension{enricher, pricer},
			Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		require.NoError(t, err)
		hosttest.Install(t, plugins, extending("1.1.0", notifier))
		require.NoError(t, h.Reload(t.Context()))
		assert.Empty(t, log.String())
		hosttest.Install(t, plugins, extending("1.2.0", pricer))
		require.NoError(t, h.Reload(t.Context()))
		assert.Contains(t, log.String(), "version=1.2.0 version_at_start=1.0.0 added=[pricer] removed=[]")
	})
}

func TestALongPathOfTemporaryFilesDoesNotMatter(t *testing.T) {
	plugins, temp := hosttest.Misbehave(t, nil), filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	require.NoError(t, os.Mkdir(temp, 0o700))
	t.Setenv("TMPDIR", temp)
	r := run(t, plugins, host.Use{Settings: hosttest.Settings(t, "", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
}

func TestNothingIsLeftBehind(t *testing.T) {
	plugins, temp := hosttest.Misbehave(t, nil), hosttest.ShortFolder(t)
	t.Setenv("TMPDIR", temp)
	r := run(t, plugins, host.Use{Settings: hosttest.Settings(t, "hang", false), Timeout: 2 * time.Second})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	late := make(chan error, 1)
	go func() { late <- r.enrich(t, `{"a":"tell, poison"}`) }()
	r.eventually(t, "a call is in flight", func() bool { return strings.Contains(r.log.String(), "it was told") })
	require.NoError(t, r.Reload(t.Context()))
	r.stop()
	require.ErrorContains(t, <-late, "no answer within 2s")
	var down *host.DownError
	require.ErrorAs(t, r.enrich(t, `{}`), &down)
	left, err := filepath.Glob(filepath.Join(temp, "flowgauge-plugin-*"))
	require.NoError(t, err)
	assert.Empty(t, left, "neither of the process that was replaced")
	require.Error(t, r.Reload(t.Context()))
}

// hostUntilKilled runs test-misbehave in a process of its own.
func hostUntilKilled(plugins string) {
	h, err := host.New(host.Config{
		Dir: plugins, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)),
		Use: []host.Use{{ID: "test-misbehave", Settings: []byte("{}"), OnFailure: host.Hold}},
	})
	if err != nil {
		panic(err)
	}
	h.Run(context.Background())
}

func TestAPluginEndsWithAHostThatIsKilled(t *testing.T) {
	log, temp := &hosttest.Log{}, hosttest.ShortFolder(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_HOST_OF="+hosttest.Misbehave(t, nil), "TMPDIR="+temp)
	cmd.Stdout = log
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "a plugin is up") }, time.Minute, 20*time.Millisecond, "%s", log)
	sockets, err := filepath.Glob(filepath.Join(temp, "flowgauge-plugin-*", "plugin*"))
	require.NoError(t, err)
	require.Len(t, sockets, 1)
	listens := func() bool {
		conn, err := net.Dial("unix", sockets[0])
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	require.True(t, listens())
	t.Setenv("TMPDIR", temp)
	use := host.Use{Settings: hosttest.Settings(t, "", false)}
	another := run(t, hosttest.Misbehave(t, nil), use)
	another.eventually(t, "it starts", func() bool { return another.Err() == nil })
	require.True(t, listens(), "one of another Flowgauge's is left alone")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Eventually(t, func() bool { return !listens() }, time.Minute, 20*time.Millisecond)
	if runtime.GOOS != "linux" {
		return
	}
	next := run(t, hosttest.Misbehave(t, nil), use)
	next.eventually(t, "it starts", func() bool { return next.Err() == nil })
	assert.NoDirExists(t, filepath.Dir(sockets[0]), "the next start removes what is left over")
	require.NoError(t, another.enrich(t, `{}`))
}

func TestAPluginThatIsNotInstalledIsAnError(t *testing.T) {
	_, err := host.New(host.Config{Dir: t.TempDir(), Use: []host.Use{{ID: "acme-teams"}}})
	require.ErrorContains(t, err, "plugin acme-teams is not installed")
}

func TestInstall(t *testing.T) {
	plugins := hosttest.Misbehave(t, nil)
	installed, err := host.Find(plugins, "test-misbehave", "")
	require.NoError(t, err)
	again, err := host.Install(plugins, installed.Dir)
	require.NoError(t, err, "what is there already is left alone")
	assert.Equal(t, installed.Dir, again.Dir)

	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "misbehave"), []byte("other"), 0o600))
	require.NoError(t, host.Pack(other, &host.Manifest{
		ID: "test-misbehave", Version: "1.0.0", Contract: contract.Version, Extends: []contract.Extension{"enricher"}, Command: []string{"./misbehave"}, Permissions: host.Permissions{Kinds: contract.Kinds},
	}))
	_, err = host.Install(plugins, other)
	require.ErrorContains(t, err, "version 1.0.0 is installed with other content: its plugin.json is another; versions never change")

	require.NoError(t, os.WriteFile(filepath.Join(other, "misbehave"), []byte("changed after it was packed"), 0o600))
	_, err = host.Install(t.TempDir(), other)
	require.ErrorContains(t, err, "is not that of the manifest")
	left, err := filepath.Glob(filepath.Join(plugins, "*", ".install-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestManifestsAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "unexpected EOF",
		`{"id":"acme-teams","version":"1.0.0","contract":1,"extends":["enricher"],"command":["./a"],"sidecar":true}`:                                         `unknown field "sidecar"`,
		`{"id":"Teams","version":"1.0","contract":2,"extends":["teleporter"],"command":[]}`:                                                                  "",
		`{"id":"acme-teams","version":"1.0.0","contract":1,"extends":["enricher"],"command":["./a"],"permissions":{"read":["salary"],"add":["bill"]}}`:       "",
		`{"id":"acme-teams","version":"1.0.0","contract":1,"extends":["enricher"],"command":["./a"],"files":{"../../etc/passwd":"00"}}`:                      `"../../etc/passwd" is no path in the plugin's folder`,
		`{"id":"acme-teams","version":"1.0.0","contract":1,"extends":["forecaster"],"command":["./a"]} {}`:                                                   "there is something behind the object",
		`{"id":"acme-teams","version":"1","contract":1,"extends":["forecaster"],"command":["./a"]}`:                                                          `version "1": want a semantic version of three numbers`,
		`{"id":"acme-teams","version":"1.0.0+x","contract":1,"extends":["forecaster"],"command":["./a"]}`:                                                    `version "1.0.0+x": want a semantic version`,
		`{"id":"acme-teams","version":"1.0.0","contract":1,"extends":["enricher"],"command":["./a"]}`:                                                        "permissions.kinds: an enricher is asked about events",
		`{"id":"acme-teams","version":"1.0.0","contract":1,"extends":["enricher"],"command":["./a"],"permissions":{"kinds":["step"],"write":["dependsOn"]}}`: "dependsOn cannot be changed",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, host.ManifestFile), []byte(text), 0o600))
		_, err := host.ReadManifest(dir)
		require.Error(t, err)
		assert.Contains(t, err.Error(), want)
	}
	_, err := host.ReadManifest(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}
