package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/collector/client"
	"github.com/flowgauge/flowgauge/collector/simulate"
)

func newUp() *cobra.Command {
	var p platform
	var noSimulate, noGrafana, sql bool
	var pluginDir, grafanaListen string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this machine",
		Long: `Runs everything in one process tree on this machine: the embedded ClickHouse, the collector with its
write-ahead log, the rollups, the REST API, a simulated platform to look at, and Grafana with
everything provisioned where one is installed (GRAFANA_HOME, or on the PATH).

The administrator's API key is written to DATA-DIR/admin.key. Ctrl-C ends everything; a second
start finds the data again.`,
		Example: `  flowgauge up
  flowgauge up --data-dir /var/lib/flowgauge --http 127.0.0.1:9090 --no-simulate`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			history, err := parseDays(p.history)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
				return fmt.Errorf("create the data folder: %w", err)
			}
			if cfg.ClickHouse.Addr != "" && !cmd.Flags().Changed("history") && !noSimulate {
				noSimulate = true // nobody wants invented events in a database of their own unasked
			}
			u := &up{cfg: cfg, out: &lineWriter{w: cmd.OutOrStdout()}, history: history, platform: p, pluginDir: pluginDir, grafanaListen: grafanaListen, sql: sql}
			return u.run(cmd.Context(), !noSimulate, !noGrafana)
		},
	}
	addHTTPFlag(cmd)
	p.flags(cmd, "60d", 2) // two months, so that one can be compared with the other
	cmd.Flags().BoolVar(&noSimulate, "no-simulate", false, "take in only what is sent; simulate nothing (the default with a ClickHouse of yours, unless --history is given)")
	cmd.Flags().BoolVar(&noGrafana, "no-grafana", false, "do not start Grafana")
	cmd.Flags().BoolVar(&sql, "grafana-sql", false, "let Grafana's administrators ask in SQL too, over views of the events that stand")
	cmd.Flags().StringVar(&pluginDir, "plugin-dir", defaultPluginDir(), "folder that holds the built Grafana plugin's folder")
	cmd.Flags().StringVar(&grafanaListen, "grafana", "127.0.0.1:3000", "HOST:PORT of Grafana")
	return cmd
}

// defaultPluginDir is dist beside the folder of the program, where the build puts it.
func defaultPluginDir() string {
	exe, err := os.Executable()
	if err != nil {
		return "dist"
	}
	return filepath.Join(filepath.Dir(filepath.Dir(exe)), "dist")
}

// up is one run of 'flowgauge up'.
type up struct {
	cfg           config.Config
	out           *lineWriter
	history       time.Duration
	platform      platform
	pluginDir     string
	grafanaListen string
	sql           bool
}

func (u *up) run(ctx context.Context, withSimulation, withGrafana bool) error {
	logs, err := newRolling(filepath.Join(u.cfg.DataDir, "flowgauge.log"))
	if err != nil {
		return err
	}
	defer func() { _ = logs.Close() }()
	log := newLogger(u.cfg, logs)
	a, err := app.New(app.Options{
		Config: u.cfg, Roles: app.Roles{Collector: true, Server: true}, Logger: log, AdminKey: true,
		Progress: func(m string) { u.out.line("  %s", m) },
	})
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.Run(gctx) })
	go reloadOnHangup(gctx, a, log)
	go u.plugins(gctx, a)
	group.Go(func() error {
		if !awaitReady(gctx, a, u.out.line) {
			return nil
		}
		u.announce(a)
		beside, bctx := errgroup.WithContext(gctx)
		if withGrafana {
			beside.Go(func() error { return u.grafana(bctx, a) })
		}
		if withSimulation {
			beside.Go(func() error { return u.simulate(bctx, a) })
		}
		return beside.Wait()
	})
	err = group.Wait()
	if err == nil {
		u.out.line("Stopped. The data is in %s; 'flowgauge up' goes on with it.", u.cfg.DataDir)
	}
	return err
}

func (u *up) announce(a *app.App) {
	u.out.line("Flowgauge is running")
	u.out.line("  REST API and ingest   %s/api/v1", a.URL())
	if u.cfg.HTTP.Metrics {
		u.out.line("  Own metrics           %s/metrics", a.URL())
	}
	if _, err := app.ReadAdminKey(u.cfg.DataDir); err == nil {
		u.out.line("  Administrator's key   %s", app.AdminKeyFile(u.cfg.DataDir))
	} else {
		u.out.line("  Administrator's key   the database has one already; make another with 'flowgauge keys create --scope admin'")
	}
	u.out.line("  Data                  %s", u.cfg.DataDir)
	u.out.line("  Log                   %s", filepath.Join(u.cfg.DataDir, "flowgauge.log"))
}

// plugins says which are up, and when one goes down or is back.
func (u *up) plugins(ctx context.Context, a *app.App) {
	const patience = 10 * time.Second // to start
	began := time.Now()
	said := map[string]bool{}
	for {
		for _, p := range a.Plugins() {
			was, known := said[p.ID]
			switch {
			case p.Up && (!known || !was):
				u.out.line("  Plugin                %s %s", p.ID, p.Version)
			case !p.Up && (known && was || !known && time.Since(began) > patience):
				u.out.line("  Plugin                %s %s is down: %s", p.ID, p.Version, p.Why)
			default:
				continue
			}
			said[p.ID] = p.Up
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (u *up) grafana(ctx context.Context, a *app.App) error {
	home, binary, err := app.FindGrafana()
	if errors.Is(err, app.ErrNoGrafana) {
		u.out.line("  Grafana               not started: %v", err)
		return nil
	}
	if err == nil {
		err = app.Grafana{
			Home: home, Binary: binary, Listen: u.grafanaListen, PluginDir: u.pluginDir, DataDir: u.cfg.DataDir, SQL: u.sql,
		}.Run(ctx, a, func(url string) { u.out.line("  Grafana               %s", url) })
	}
	if err != nil { // dashboards are missing, figures are not: go on
		u.out.line("  Grafana               not running: %v", err)
	}
	return nil
}

func (u *up) simulate(ctx context.Context, a *app.App) error {
	key, err := app.ReadAdminKey(u.cfg.DataDir)
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{URL: a.URL(), Key: key, MaxElapsed: client.Forever, HTTPClient: a.Client()})
	if err != nil {
		return err
	}
	u.out.line("  Simulated platform    sending %s of history, then live (leave out with --no-simulate)", u.platform.history)
	_, err = simulate.Run(ctx, simulate.RunConfig{
		Platform: simulate.Config{Seed: u.platform.seed, Scale: u.platform.scale},
		Client:   c, Target: c.Target(), StateFile: filepath.Join(u.cfg.DataDir, "simulate.json"),
		History: u.history, Live: true, Rate: u.platform.rate, Progress: u.out,
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		u.out.line("  Simulated platform    stopped: %v", err)
	}
	return nil
}

// awaitReady waits until the app works; false when ctx ended first.
func awaitReady(ctx context.Context, a *app.App, waiting func(format string, args ...any)) bool {
	for {
		err := a.Ready()
		if err == nil {
			return true
		}
		if !errors.Is(err, app.ErrStarting) {
			waiting("  %v", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lineWriter lets several goroutines print whole lines.
type lineWriter struct {
	mu   sync.Mutex
	w    io.Writer
	last string
}

// line prints a line, but not the same one twice in a row.
func (l *lineWriter) line(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if text == l.last {
		return
	}
	l.last = text
	fmt.Fprintln(l.w, text)
}

// Write prints progress, indented like everything below the headline.
func (l *lineWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(string(b)) {
		fmt.Fprintf(l.w, "  %s\n", strings.TrimRight(text, "\n"))
	}
	return len(b), nil
}
