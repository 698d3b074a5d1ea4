package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/plugins/conformance"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/template"
)

func newPluginNew() *cobra.Command {
	var kind, source string
	cmd := &cobra.Command{
		Use:   "new ID",
		Short: "Write a plugin in Go to begin with",
		Long: `Writes a plugin in Go into a folder of its name. It builds, keeps the contract and runs as it is. Its id is lower-case words
joined by hyphens, the first of which says whose it is.`,
		Example: `  flowgauge plugin new --kind enricher acme-errors
  flowgauge plugin new --kind pricer acme-prices --flowgauge ../flowgauge`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p := template.Plugin{ID: args[0], Kind: contract.Extension(kind), Version: "v" + Version}
			if Version == "dev" {
				p.Version = "v0.0.0"
				if source == "" {
					return usageError{errors.New("this flowgauge was built from source: say where its source is, with --flowgauge FOLDER")}
				}
			}
			if source != "" {
				absolute, err := filepath.Abs(source)
				if err != nil {
					return err
				}
				p.Source = absolute
			}
			if err := emptyFolder(p.ID); err != nil {
				return err
			}
			if err := template.Write(p.ID, p); err != nil {
				return usageError{err}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is written. Next:\n\n  cd %s\n  go mod tidy\n  go build -o package/%s .\n  flowgauge plugin pack package\n  flowgauge plugin test package\n  flowgauge plugin install package\n", p.ID, p.ID, p.ID)
			return nil
		},
	}
	cmd.Flags().StringVar(&kind, "kind", string(contract.ExtensionEnricher), fmt.Sprintf("what it extends: %v", contract.Extensions))
	cmd.Flags().StringVar(&source, "flowgauge", "", "folder with Flowgauge's source, used instead of a published version")
	return cmd
}

func newPluginTest() *cobra.Command {
	var settings string
	var verbose bool
	var samples []string
	cmd := &cobra.Command{
		Use:   "test FOLDER",
		Short: "Find out whether a plugin keeps the contract",
		Long: `Starts the plugin as Flowgauge does, asks it about events of every kind, the longest and the strangest included, and looks at
what it answers. What a source makes of requests is looked at where --request gives some. Exit code 1 says that a check failed.`,
		Example: `  flowgauge plugin test package --settings '{"types":{"rate_limited":"quota"}}'
  flowgauge plugin test package --request sample.http`,
		Args: pluginFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !json.Valid([]byte(settings)) {
				return usageError{fmt.Errorf("--settings is %q: want a JSON object", settings)}
			}
			requests, err := conformance.ReadRequests(samples)
			if err != nil {
				return usageError{fmt.Errorf("--request: %w", err)}
			}
			dir, err := os.MkdirTemp("", "flowgauge-plugins-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			p, err := host.Install(dir, args[0])
			if err != nil {
				return err
			}
			logger := slog.New(slog.DiscardHandler)
			if verbose {
				logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s %s\n", p.Manifest.ID, p.Manifest.Version)
			return conformance.Run(cmd.Context(), conformance.Config{
				Dir: dir, ID: p.Manifest.ID, Settings: json.RawMessage(settings), Logger: logger, Requests: requests,
			}, func(c conformance.Check) {
				if c.Err == nil {
					fmt.Fprintf(out, "  ok    %s\n", c.Name)
					return
				}
				fmt.Fprintf(out, "  FAIL  %s\n        %v\n", c.Name, c.Err)
			})
		},
	}
	cmd.Flags().StringVar(&settings, "settings", "{}", "the plugin's settings, a JSON object")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the plugin's log")
	cmd.Flags().StringArrayVar(&samples, "request", nil, "file with a request that a source makes events of, as HTTP writes it: POST / HTTP/1.1, headers, an empty line, the body; may be given again")
	return cmd
}
