// Package command holds Flowgauge's command line, one file for each command.
//
// Exit codes: 0 success, 1 failure, 2 wrong usage, 3 done but some of the input
// was rejected or lost.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/config"
)

// Version is set when a release is built.
var Version = "dev"

// errRejected ends a command with exit code 3.
var errRejected = errors.New("some of the input was rejected")

type usageError struct{ error }

// Execute runs the command line and returns the exit code.
func Execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the program at once
	}()
	err := newRoot().ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errRejected):
		return 3
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintln(os.Stderr, "flowgauge:", err, "\nRun 'flowgauge --help', or a command with --help.")
		return 2
	}
	fmt.Fprintln(os.Stderr, "flowgauge:", err)
	if errors.Is(err, errBroken) {
		return 4
	}
	return 1
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "flowgauge",
		Short: "Analytics for workflow automation: what ran, what was slow, what it cost, who used it",
		Long: `Flowgauge takes in what workflows do (executions, steps, costs and users' actions),
keeps it in ClickHouse, and answers questions about it: in Grafana, over REST, on dashboards.

Start with 'flowgauge up': it runs everything in one process on this machine.`,
		Example: `  flowgauge up                      # everything, with a simulated platform to look at
  flowgauge import events.ndjson    # your own events
  flowgauge help import             # more about a command`,
		Version:       Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.String("config", "", "YAML configuration file (environment variables FLOWGAUGE_… and flags win over it)")
	flags.String("data-dir", config.Default().DataDir, "folder of the log, the embedded database and the administrator's key")
	flags.String("log-level", config.Default().Log.Level, "debug, info, warn or error")
	root.AddCommand(newUp(), newCollector(), newServer(), newHealth(), newMigrate(), newRecompute(), newVerify(), newForecast(), newPricing(), newKeys(), newDirectory(), newPolicy(), newSQLUser(), newAudit(), newDeadLetters(), newImport(), newSimulate(), newWAL(), newPlugin())
	return root
}

// load reads the configuration and shows its warnings.
func load(cmd *cobra.Command) (config.Config, error) {
	cfg, err := read(cmd)
	for _, w := range cfg.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "flowgauge: warning:", w)
	}
	return cfg, err
}

// read reads the configuration with the flags that were set.
func read(cmd *cobra.Command) (config.Config, error) {
	set := map[string]any{}
	for flag, key := range map[string]string{"data-dir": "data_dir", "http": "http.listen", "log-level": "log.level"} {
		if f := cmd.Flags().Lookup(flag); f != nil && f.Changed {
			set[key] = f.Value.String()
		}
	}
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	cfg, err := config.Load(path, set)
	if err != nil {
		return config.Config{}, usageError{err}
	}
	return cfg, nil
}

// newLogger returns a process's log, in which the configuration's warnings are.
func newLogger(cfg config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // validated
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if cfg.Log.Format == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	log := slog.New(handler)
	for _, warning := range cfg.Warnings {
		log.Warn(warning)
	}
	return log
}

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}
