package command

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/collector/importer"
)

func newImport() *cobra.Command {
	var to target
	var restart bool
	var rejected string
	var inFlight int
	cmd := &cobra.Command{
		Use:   "import FILE…",
		Short: "Send files of events (NDJSON, also .gz and .zst) to a collector",
		Long: `Sends files of events, one JSON object a line, to a collector. Plain, gzip and zstd files are told
apart by their content; '-' is standard input. An interrupted import goes on where it was, and a
finished one may be repeated: the same event counts once. Lines that are refused are written, with
the reason, to FILE.rejected.ndjson; then the exit code is 3.`,
		Example: `  flowgauge import events.ndjson.gz
  zcat 2024-*.ndjson.gz | flowgauge import -
  flowgauge import --url https://flowgauge.example.com --key-file ingest.key events.ndjson`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MinimumNArgs(1)(cmd, args); err != nil {
				return usageError{fmt.Errorf("which file? %w", err)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			c, err := to.client(cfg.DataDir)
			if err != nil {
				return err
			}
			summary, err := importer.Run(cmd.Context(), importer.Config{
				Files: args, Client: c, Target: c.Target(), StateDir: filepath.Join(cfg.DataDir, "import"),
				Restart: restart, Rejected: rejected, InFlight: inFlight,
				Progress: cmd.ErrOrStderr(), Input: cmd.InOrStdin(),
			})
			fmt.Fprintln(cmd.OutOrStdout(), summary)
			if err != nil {
				return err
			}
			if summary.Counts().Rejected > 0 {
				return errRejected
			}
			return nil
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&restart, "restart", false, "begin at the start of each file, also where an import was interrupted")
	cmd.Flags().StringVar(&rejected, "rejected", "", "file (with several FILEs: folder) for refused lines (default FILE.rejected.ndjson)")
	cmd.Flags().IntVar(&inFlight, "in-flight", importer.DefaultInFlight, "requests at the same time")
	return cmd
}
