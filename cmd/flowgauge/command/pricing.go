package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/pricing"
)

func newPricing() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pricing",
		Short: "Price the costs that sources send without dollars",
		Long: `A price book says what a credit, a unit in a cost's metadata, or an action is worth. It fills in the
dollars of costs that come without them; what a source sends is never changed.`,
		Example: `  flowgauge pricing set prices.yaml
  flowgauge pricing apply --from 2026-03-01 --to 2026-04-01 --dry-run`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().String("tenant", "", "whose prices (default: the configuration's tenant)")
	cmd.AddCommand(newPricingShow(), newPricingSet(), newPricingHistory(), newPricingApply())
	return cmd
}

// withPrices runs what needs the price books of a tenant.
func withPrices(cmd *cobra.Command, run func(cfg config.Config, store *pricing.Store, tenant string) error) error {
	return asTenant(cmd, func(cfg config.Config, client *clickhouse.Client, tenant string) error {
		return run(cfg, pricing.NewStore(client, slog.New(slog.DiscardHandler)), tenant)
	})
}

func newPricingShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Print the price book in force, as YAML",
		Example: "  flowgauge pricing show > prices.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPrices(cmd, func(_ config.Config, store *pricing.Store, tenant string) error {
				r, err := store.Current(cmd.Context(), tenant)
				if err != nil {
					return fmt.Errorf("tenant %s: %w", tenant, err)
				}
				out := yaml.NewEncoder(cmd.OutOrStdout())
				out.SetIndent(2)
				return errors.Join(out.Encode(r.Book), out.Close())
			})
		},
	}
}

func newPricingSet() *cobra.Command {
	var base uint64
	cmd := &cobra.Command{
		Use:   "set FILE",
		Short: "Put a price book in force",
		Long: `Checks a price book (YAML or JSON; - reads standard input) and puts it in force for costs that arrive from
now on: within ten seconds for every collector. 'flowgauge pricing apply' prices what is stored already.`,
		Example: `  flowgauge pricing set prices.yaml
  flowgauge pricing set prices.yaml --base 1767225600000000    # only if nobody has changed it since`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readFile(cmd, args[0])
			if err != nil {
				return err
			}
			book, err := pricing.Parse(text)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return withPrices(cmd, func(_ config.Config, store *pricing.Store, tenant string) error {
				if !cmd.Flags().Changed("base") {
					current, err := store.Current(cmd.Context(), tenant)
					if err != nil && !errors.Is(err, pricing.ErrNone) {
						return err
					}
					base = current.Revision
				}
				r, err := store.Put(cmd.Context(), tenant, author(), book, base)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "revision %d of %s is in force: %d rules\n", r.Revision, tenant, len(book.Rules))
				return err
			})
		},
	}
	cmd.Flags().Uint64Var(&base, "base", 0, "the revision that the file was made from; refuses when another is in force")
	return cmd
}

func newPricingHistory() *cobra.Command {
	return &cobra.Command{
		Use:     "history",
		Short:   "List the revisions of the price book, the newest first",
		Example: "  flowgauge pricing history",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPrices(cmd, func(_ config.Config, store *pricing.Store, tenant string) error {
				revisions, err := store.History(cmd.Context(), tenant)
				if err != nil {
					return err
				}
				for _, r := range revisions {
					if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d  %s  %4d rules  %s\n", r.Revision, r.CreatedAt.Format(time.RFC3339), len(r.Book.Rules), r.Author); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func newPricingApply() *cobra.Command {
	var from, to string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Price the stored costs of a period again",
		Long: `Prices the costs of a period that came without dollars by the price book in force, and has their figures
recomputed. It may be interrupted and repeated: what has its price stays as it is.`,
		Example: `  flowgauge pricing apply --from 2026-03-01 --to 2026-04-01 --dry-run
  flowgauge pricing apply --from 2026-03-01 --to 2026-04-01`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			begin, err := parseTime("--from", from)
			if err != nil {
				return err
			}
			end, err := parseTime("--to", to)
			if err != nil {
				return err
			}
			return withPrices(cmd, func(_ config.Config, store *pricing.Store, tenant string) error {
				report, err := store.Apply(cmd.Context(), pricing.Period{Tenant: tenant, From: begin, To: end}, dryRun, func(done time.Time, r pricing.Report) {
					fmt.Fprintf(cmd.ErrOrStderr(), "\r%s: %d costs examined, %d changed   ", done.UTC().Format("2006-01-02 15:04"), r.Examined, r.Changed)
				})
				fmt.Fprintln(cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				verb := "changed"
				if dryRun {
					verb = "would change"
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d costs without dollars of their own: %d %s, %d have no price; %s dollars before, %s after\n",
					report.Examined, report.Changed, verb, report.Unpriced, report.Before, report.After)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "first moment, RFC 3339 or a UTC date")
	cmd.Flags().StringVar(&to, "to", "", "the moment after the last, RFC 3339 or a UTC date")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would change")
	return cmd
}

func readFile(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(cmd.InOrStdin(), directory.MaxBytes+1))
	}
	return os.ReadFile(name)
}

// author names who changed a price book, for its history.
func author() string {
	if u, err := user.Current(); err == nil {
		return "command line, " + u.Username
	}
	return "command line"
}
