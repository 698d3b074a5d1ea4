package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/cmd/bench/tagger"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// enricherInProcess measures Flowgauge with an enricher compiled into it.
func (b *ingest) enricherInProcess(ctx context.Context, dir string) (measure, error) {
	self, err := os.Executable()
	if err != nil {
		return measure{}, err
	}
	inside := *b
	inside.binary = self
	return inside.flowgauge(ctx, dir, false)
}

// enricherAsPlugin measures Flowgauge with the same enricher as a plugin.
func (b *ingest) enricherAsPlugin(ctx context.Context, dir string) (measure, error) {
	from := filepath.Join(dir, "package")
	program := filepath.Join(from, "tagger")
	//nolint:gosec // the path is this run's own
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/bench/tagger/plugin").CombinedOutput(); err != nil {
		return measure{}, fmt.Errorf("build the plugin: %w\n%s", err, out)
	}
	if err := host.Pack(from, &host.Manifest{
		ID: tagger.ID, Version: tagger.Version, Contract: contract.Version, Extends: []contract.Extension{contract.ExtensionEnricher},
		Command: []string{"./tagger"}, Permissions: tagger.Permissions(),
	}); err != nil {
		return measure{}, err
	}
	if _, err := host.Install(filepath.Join(dir, "plugins"), from); err != nil {
		return measure{}, err
	}
	settings := filepath.Join(dir, "flowgauge.yaml")
	if err := os.WriteFile(settings, []byte("plugins: {use: [{id: "+tagger.ID+", on_failure: hold, timeout: 60s}]}\n"), 0o600); err != nil {
		return measure{}, err
	}
	with := *b
	with.config = settings
	return with.flowgauge(ctx, dir, false)
}

// newUp is 'flowgauge up' with the enricher compiled in, as far as it is measured.
func newUp() *cobra.Command {
	cfg := config.Default()
	cmd := &cobra.Command{
		Use: "up", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load("", map[string]any{"data_dir": cfg.DataDir, "http.listen": cfg.HTTP.Listen})
			if err != nil {
				return err
			}
			a, err := app.New(app.Options{
				Config: cfg, Roles: app.Roles{Collector: true, Server: true}, AdminKey: true, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
				Enrichers: []enrich.Enricher{&enrich.Local{Name: tagger.ID, Enricher: tagger.Enricher{}, May: tagger.Permissions()}},
			})
			if err != nil {
				return err
			}
			return a.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&cfg.DataDir, "data-dir", "", "")
	cmd.Flags().StringVar(&cfg.HTTP.Listen, "http", "", "")
	cmd.Flags().Bool("no-simulate", true, "")
	return cmd
}
