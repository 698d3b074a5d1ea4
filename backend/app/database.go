package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/flowgauge/flowgauge/backend/access/certs"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/engine"
)

// database is the ClickHouse of this process: an external server, or the
// embedded engine. Which one it is makes no difference to anything else.
type database struct {
	cfg    config.Config
	log    *slog.Logger
	engine *engine.Engine // nil with an external server
	writer *clickhouse.Client
	reader *clickhouse.Client // answers questions; may only select where the engine is embedded or a reader is configured
	read   clickhouse.Config
}

// reading returns how others, Grafana's plugin for one, may read the database.
func (d *database) reading() clickhouse.Config { return d.read }

func newDatabase(cfg config.Config, log *slog.Logger) (*database, error) {
	d := &database{cfg: cfg, log: log}
	if cfg.ClickHouse.Addr == "" {
		return d, nil
	}
	external, err := External(cfg)
	if err != nil {
		return d, err
	}
	reader := external
	if cfg.ClickHouse.ReaderUser != "" {
		reader.User, reader.Password = cfg.ClickHouse.ReaderUser, cfg.ClickHouse.ReaderPassword
	}
	return d, d.connect(external, reader)
}

// External returns how to reach the configured server.
func External(cfg config.Config) (clickhouse.Config, error) {
	c := clickhouse.Config{
		Addr: cfg.ClickHouse.Addr, Database: cfg.ClickHouse.Database,
		Cluster: cfg.ClickHouse.Cluster, Unreplicated: cfg.ClickHouse.Unreplicated,
		User: cfg.ClickHouse.User, Password: cfg.ClickHouse.Password, MaxConns: cfg.ClickHouse.MaxConns,
	}
	if !cfg.ClickHouse.TLS {
		return c, nil
	}
	host, _, _ := net.SplitHostPort(cfg.ClickHouse.Addr) // validated with the configuration
	var err error
	c.TLS, err = certs.Client{
		CAFile: cfg.ClickHouse.CAFile, CertFile: cfg.ClickHouse.CertFile, KeyFile: cfg.ClickHouse.KeyFile, ServerName: host,
	}.Config()
	if err != nil {
		return c, fmt.Errorf("clickhouse: %w", err)
	}
	return c, nil
}

func (d *database) connect(writer, reader clickhouse.Config) (err error) {
	writer.Logger, reader.Logger = d.log, d.log
	d.read = reader
	if d.writer, err = clickhouse.New(writer); err != nil {
		return err
	}
	d.reader, err = clickhouse.New(reader)
	return err
}

// start brings the embedded engine up. An external server is waited for later,
// in the background.
func (d *database) start(ctx context.Context, progress func(string)) error {
	if d.cfg.ClickHouse.Addr != "" {
		return nil
	}
	library := d.cfg.Engine.Library
	if library == "" {
		var err error
		library, err = engine.Fetch(ctx, "", func(p engine.Progress) {
			if p.Phase == engine.PhaseDownloading {
				progress(fmt.Sprintf("downloading the ClickHouse engine: %d of about 170 MB", p.Bytes>>20))
			} else if p.Phase != engine.PhaseReady {
				progress(fmt.Sprintf("%s the ClickHouse engine", p.Phase))
			}
		})
		if err != nil {
			return fmt.Errorf("get the ClickHouse engine: %w", err)
		}
	}
	e, err := engine.New(engine.Config{
		Library:     library,
		Dir:         filepath.Join(d.cfg.DataDir, "clickhouse"),
		Database:    d.cfg.ClickHouse.Database,
		MemoryLimit: int64(d.cfg.Engine.MemoryBytes),
		Logger:      d.log,
	})
	if err != nil {
		return err
	}
	progress("starting ClickHouse")
	if err := e.Start(ctx); err != nil {
		return err
	}
	d.engine = e
	endpoint := e.Endpoint()
	if err := e.Endpoint().Exec(ctx, "CREATE DATABASE IF NOT EXISTS `"+d.cfg.ClickHouse.Database+"`"); err != nil {
		return fmt.Errorf("create database %s: %w", d.cfg.ClickHouse.Database, err)
	}
	as := func(u engine.User) clickhouse.Config {
		return clickhouse.Config{
			Addr: endpoint.TCPAddr(), Database: d.cfg.ClickHouse.Database,
			User: u.Name, Password: u.Password, MaxConns: d.cfg.ClickHouse.MaxConns,
		}
	}
	return d.connect(as(endpoint.Writer), as(endpoint.Reader))
}

// watch returns when the embedded engine is gone for good.
func (d *database) watch(ctx context.Context) error {
	if d.engine == nil {
		<-ctx.Done()
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-d.engine.Done():
		return fmt.Errorf("the ClickHouse engine stopped: %w", d.engine.Err())
	}
}

func (d *database) stop() {
	if d.writer != nil {
		d.writer.Close()
	}
	if d.reader != nil {
		d.reader.Close()
	}
	if d.engine != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := d.engine.Stop(ctx); err != nil {
			d.log.Warn("stop ClickHouse", "error", err)
		}
	}
}

// prepare brings the schema up to date and loads the keys, for as long as it
// takes the database to come.
func (a *App) prepare(ctx context.Context) error {
	pause := 200 * time.Millisecond
	for {
		err := a.prepareOnce(ctx)
		if err == nil {
			a.waiting.Store(nil)
			a.stored.Store(true)
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		if class := clickhouse.ClassOf(err); class == clickhouse.ClassPermanent || class == clickhouse.ClassAuth {
			return fmt.Errorf("prepare the database: %w", err)
		}
		msg := err.Error()
		a.waiting.Store(&msg)
		a.log.Warn("the database does not answer; events are accepted and wait in the log", "error", err, "retry_in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, 15*time.Second)
	}
}

func (a *App) prepareOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := schema.Migrate(ctx, a.database.writer)
	if err == nil {
		err = a.keys.Refresh(ctx)
	}
	if err == nil { // before the sink starts: it would find no price
		err = a.prices.Refresh(ctx)
	}
	if err == nil && a.opts.AdminKey {
		err = a.ensureAdminKey(ctx)
	}
	if err == nil && len(a.keys.List("")) == 0 {
		a.log.Warn("there is no API key, so nobody is let in: make one with 'flowgauge keys create --scope admin'")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &clickhouse.Error{Class: clickhouse.ClassUnavailable, Err: err}
	}
	return err
}
