package command

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/queue/wal"
)

func newWAL() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wal",
		Short: "Look into the write-ahead log, and save what is whole of a damaged one",
		Long: `The write-ahead log keeps accepted events until they are in ClickHouse. It refuses to open when acknowledged
events in it are broken; 'inspect' says what is, and 'salvage' brings everything else into a new folder.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().String("key-file", "", "file or folder of the log's keys (default wal.key_file)")
	cmd.AddCommand(newWALInspect(), newWALSalvage())
	return cmd
}

func newWALInspect() *cobra.Command {
	var frames bool
	cmd := &cobra.Command{
		Use:   "inspect [DIR]",
		Short: "Show a log's segments, versions and damage",
		Long: `Reads a log's folder (default the one in --data-dir) and changes nothing. The log may be in use: then the
group that is being written may look torn. Without the keys of an encrypted log its frames are checked by their
checksums only. Exit codes: 0 nothing is lost, 1 failure, 3 acknowledged events are lost.`,
		Example: `  flowgauge wal inspect
  flowgauge wal inspect /backup/wal --frames --key-file wal.key`,
		Args: atMostOneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, keys, err := walOf(cmd, args)
			if err != nil {
				return err
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			opts := wal.InspectOptions{Dir: dir, Keys: keys}
			if frames {
				fmt.Fprintln(out, "FRAME\tFROM\tTO\tRECORDS\tFIRST VERSION\tLAST VERSION")
				opts.Frame = func(f wal.Frame) {
					fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\n", filepath.Base(f.File), f.From, f.To, f.Records, f.First, f.Last)
				}
			}
			report, err := wal.Inspect(opts)
			if err != nil {
				return err
			}
			if frames {
				fmt.Fprintln(out)
			}
			showSegments(out, report)
			if err := out.Flush(); err != nil {
				return err
			}
			return showLog(cmd.OutOrStdout(), report)
		},
	}
	cmd.Flags().BoolVar(&frames, "frames", false, "show each frame, too")
	return cmd
}

func newWALSalvage() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "salvage [DIR] --out DIR2",
		Short: "Write every whole group of a damaged log into a new one",
		Long: `Writes every whole group of a log (default the one in --data-dir) into a new folder, with its versions, reads it
back, and says which bytes and which versions are lost. The old folder is not changed; Flowgauge must not be running
on it. Then put the new folder in the old one's place, start again, and send again what was received in the time of
what is lost. An encrypted log is read with its keys, and the new one is encrypted with the first of them.
Exit codes: 0 nothing is lost, 1 failure, 3 acknowledged events are lost.`,
		Example: `  flowgauge wal salvage /var/lib/flowgauge/wal --out /var/lib/flowgauge/wal.salvaged
  mv /var/lib/flowgauge/wal /var/lib/flowgauge/wal.damaged
  mv /var/lib/flowgauge/wal.salvaged /var/lib/flowgauge/wal`,
		Args: atMostOneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usageError{errors.New("where to? Give --out with a folder that does not exist")}
			}
			dir, keys, err := walOf(cmd, args)
			if err != nil {
				return err
			}
			report, err := wal.Salvage(wal.SalvageOptions{Dir: dir, Out: to, Keys: keys})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s has %d records\n", to, report.Records)
			return showLog(cmd.OutOrStdout(), report)
		},
	}
	cmd.Flags().StringVar(&to, "out", "", "the new folder")
	return cmd
}

// walOf returns the folder and the keys that a command is about.
func walOf(cmd *cobra.Command, args []string) (dir string, keys *wal.Keys, err error) {
	cfg, err := load(cmd)
	if err != nil {
		return "", nil, err
	}
	dir, keyFile := filepath.Join(cfg.DataDir, "wal"), cfg.WAL.KeyFile
	if len(args) > 0 {
		dir = args[0]
	}
	if f := cmd.Flags().Lookup("key-file"); f.Changed {
		keyFile = f.Value.String()
	}
	keys, err = wal.LoadKeys(keyFile)
	return dir, keys, err
}

func showSegments(out io.Writer, report *wal.Report) {
	fmt.Fprintln(out, "SEGMENT\tBYTES\tFRAMES\tRECORDS\tFIRST VERSION\tLAST VERSION\tKEY\tSTATE")
	for _, s := range report.Segments {
		state := s.State
		if s.Torn > 0 {
			state += fmt.Sprintf(" (%d bytes at its end, which nobody was told are kept)", s.Torn)
		}
		if s.Spoilt {
			state += " (one copy of its header is broken)"
		}
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n",
			filepath.Base(s.File), s.Size, s.Frames, s.Records, s.First, s.Last, orDash(s.Key), state)
	}
}

// showLog shows what holds for the whole log. Its error ends the command with code 3
// when something is lost.
func showLog(out io.Writer, report *wal.Report) error {
	fmt.Fprintf(out, "\n%d records, %d of them not in ClickHouse yet; consumed up to version %d, known to be durable up to %d\n",
		report.Records, report.Pending, report.Consumed, report.Marked)
	if report.Position != "" {
		fmt.Fprintf(out, "the position file: %s\n", report.Position)
	}
	for _, d := range report.Damage {
		if d.Consumed {
			fmt.Fprintf(out, "damage, but nothing is lost, all of it is in ClickHouse: %v\n", d)
		} else {
			fmt.Fprintf(out, "LOST: %v\n", d)
		}
	}
	if len(report.Lost()) > 0 {
		return errRejected
	}
	_, err := fmt.Fprintln(out, "nothing is lost")
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func atMostOneArg(cmd *cobra.Command, args []string) error {
	if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}
