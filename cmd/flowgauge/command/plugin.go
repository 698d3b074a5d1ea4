package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/plugins/host"
)

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Make, check and install plugins",
		Long: `Looks after plugins, which add to Flowgauge without changing it: enrichers change, drop and add events on
their way into the database, pricers say what costs cost, notifiers bring messages to people, exporters take figures elsewhere. Each is a process of its own, in any language.

Plugins are installed in plugins.dir of the configuration, the folder plugins of --data-dir by default. Those that
plugins.use names run.`,
		Example: `  flowgauge plugin new --kind enricher acme-teams
  flowgauge plugin test acme-teams
  flowgauge plugin install acme-teams
  flowgauge plugin list`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPluginNew(), newPluginPack(), newPluginTest(), newPluginInstall(), newPluginVerify(), newPluginList())
	return cmd
}

// pluginFolder takes the only argument of a command.
func pluginFolder(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usageError{fmt.Errorf("which plugin? Give its folder, the one with %s", host.ManifestFile)}
	}
	return nil
}

func newPluginPack() *cobra.Command {
	return &cobra.Command{
		Use:   "pack FOLDER",
		Short: "Write the checksums of a plugin's files into its manifest",
		Long: `Writes the SHA-256 of each file of the folder into its plugin.json. Do it when everything is built: a plugin with
other files than those of its manifest is not started.`,
		Example: `  flowgauge plugin pack acme-teams`,
		Args:    pluginFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := host.ReadManifest(args[0])
			if err != nil {
				return err
			}
			if err := host.Pack(args[0], m); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s is packed, files: %d\n", m.ID, m.Version, len(m.Files))
			return nil
		},
	}
}

func newPluginInstall() *cobra.Command {
	return &cobra.Command{
		Use:   "install FOLDER",
		Short: "Copy a plugin into the folder of plugins",
		Long: `Copies a plugin's folder into the folder of plugins when its files are those of its manifest. Versions stand side by
side; one that is installed is never changed. It runs when plugins.use of the configuration names it: the newest version, or
the one that is named there. A collector that runs takes a new version when it is told to (SIGHUP), without a pause.`,
		Example: `  flowgauge plugin install acme-teams`,
		Args:    pluginFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			p, err := host.Install(cfg.Plugins.Dir, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s is installed in %s\n", p.Manifest.ID, p.Manifest.Version, p.Dir)
			if !used(cfg.Plugins, p.Manifest.ID) {
				fmt.Fprintf(cmd.OutOrStdout(), `It runs when the configuration has:

  plugins:
    use:
      - id: %s
`, p.Manifest.ID)
				if p.Manifest.Passed() {
					fmt.Fprintln(cmd.OutOrStdout(), "        on_failure: skip # what becomes of events while it does not answer: skip, hold or dead_letter")
				}
			}
			return nil
		},
	}
}

func used(p config.Plugins, id string) bool {
	for _, u := range p.Use {
		if u.ID == id {
			return true
		}
	}
	return false
}

func newPluginVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [FOLDER]",
		Short: "Compare plugins' files with their manifests",
		Long: `Compares the files of a folder with the checksums of its manifest; without a folder, of everything that is installed,
and their manifests with those that were installed.`,
		Example: "  flowgauge plugin verify\n  flowgauge plugin verify acme-teams",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				m, err := host.ReadManifest(args[0])
				if err == nil {
					err = m.Verify(args[0])
				}
				return err
			}
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			all, err := host.List(cfg.Plugins.Dir)
			if err != nil {
				return err
			}
			var errs []error
			for _, p := range all {
				if p.Err == nil {
					p.Err = p.Manifest.Verify(p.Dir)
				}
				if p.Err != nil {
					errs = append(errs, p.Err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s is as it was packed, files: %d\n", p.Manifest.ID, p.Manifest.Version, len(p.Manifest.Files))
			}
			return errors.Join(errs...)
		},
	}
}

func newPluginList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "What is installed, and what of it runs",
		Example: "  flowgauge plugin list\n  flowgauge plugin list --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			all, err := host.List(cfg.Plugins.Dir)
			if err != nil {
				return err
			}
			if asJSON {
				return printPlugins(cmd, cfg.Plugins, all)
			}
			if len(all) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "no plugin is installed in %s\n", cfg.Plugins.Dir)
				return nil
			}
			for _, row := range pluginRows(cfg.Plugins, all) {
				fmt.Fprintf(cmd.OutOrStdout(), "%-24s %-12s %-20s %-6s %s\n", row.ID, row.Version, strings.Join(row.Extends, ", "), row.Use, row.Problem)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON document")
	return cmd
}

// A pluginRow is a version of a plugin in a list.
type pluginRow struct {
	ID      string   `json:"id"`
	Version string   `json:"version"`
	Extends []string `json:"extends"`
	Use     string   `json:"use"` // used: this version runs when a collector starts
	Problem string   `json:"problem,omitempty"`
}

func pluginRows(cfg config.Plugins, all []host.Installed) []pluginRow {
	rows := make([]pluginRow, 0, len(all))
	for _, p := range all {
		row := pluginRow{ID: p.Manifest.ID, Version: p.Manifest.Version, Extends: []string{}}
		for _, e := range p.Manifest.Extends {
			row.Extends = append(row.Extends, string(e))
		}
		if p.Err != nil {
			row.Problem = p.Err.Error()
		}
		for _, u := range cfg.Use {
			if found, err := host.Find(cfg.Dir, u.ID, u.Version); err == nil && found.Dir == p.Dir {
				row.Use = "used"
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func printPlugins(cmd *cobra.Command, cfg config.Plugins, all []host.Installed) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(pluginRows(cfg, all))
}

// emptyFolder refuses a folder that has something in it.
func emptyFolder(path string) error {
	if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", filepath.Clean(path))
	}
	return nil
}
