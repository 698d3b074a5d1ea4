package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/rollup"
)

func newVerify() *cobra.Command {
	var from, to, tenant string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that the rollups of a period equal its raw events",
		Long: `Counts the raw events of a period again, whole UTC days, in another way than the rollups are made, and
compares every group of every level. Minutes that wait to be recomputed are left out. It changes nothing. Where
something differs it says what and ends with code 1; 'flowgauge recompute' mends it.`,
		Example: "  flowgauge verify --from 2026-03-01 --to 2026-04-01",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			begin, err := parseTime("--from", from)
			if err != nil {
				return err
			}
			end, err := parseTime("--to", to)
			if err != nil {
				return err
			}
			client, err := databaseOf(cfg)
			if err != nil {
				return err
			}
			defer client.Close()
			checked, err := rollup.Verify(cmd.Context(), client, tenant, begin, end, func(day time.Time, c rollup.Checked) {
				fmt.Fprintf(cmd.ErrOrStderr(), "\r%s: %d groups compared   ", day.Format(time.DateOnly), c.Groups)
			})
			fmt.Fprintln(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			for _, d := range checked.Differences {
				what, figures := "only in the rollup", d.Rollup
				if d.Rollup == "" {
					what, figures = "only in the raw events", d.Recount
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s by %s, %s: %s\n", d.Kind, d.Level, what, figures); err != nil {
					return err
				}
			}
			if n := len(checked.Differences); n > 0 {
				return fmt.Errorf("%d groups differ (the first are listed): run 'flowgauge recompute --from %s --to %s'", n, from, to)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d groups of the raw events equal the rollups\n", checked.Groups)
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "first moment, RFC 3339 or a UTC date")
	cmd.Flags().StringVar(&to, "to", "", "the moment after the last, RFC 3339 or a UTC date")
	cmd.Flags().StringVar(&tenant, "tenant", "", "one tenant (default all)")
	return cmd
}
