package command

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/engine"
	"github.com/flowgauge/flowgauge/backend/rollup"
)

func newRecompute() *cobra.Command {
	var from, to, tenant string
	cmd := &cobra.Command{
		Use:   "recompute",
		Short: "Recompute the rollups of a period from the raw events",
		Long: `Marks every bucket of a period for recomputation from the raw events and waits until the running
collector has recomputed them. Right figures stay as they are, so it may be repeated.`,
		Example: `  flowgauge recompute --from 2026-03-01 --to 2026-04-01
  flowgauge recompute --from 2026-03-01T10:00:00Z --to 2026-03-01T11:00:00Z --tenant acme`,
		Args: noArgs,
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
			ctx := cmd.Context()
			marked, err := rollup.Mark(ctx, client, tenant, begin, end)
			if err != nil {
				return err
			}
			first, last, changed := uint64(0), uint64(0), time.Now()
			for {
				pending, err := rollup.Pending(ctx, client, marked)
				if err != nil {
					return err
				}
				first = max(first, pending)
				fmt.Fprintf(cmd.ErrOrStderr(), "\r%d of %d minutes recomputed   ", first-pending, first)
				if pending != last {
					last, changed = pending, time.Now()
				} else if time.Since(changed) > time.Minute {
					fmt.Fprintln(cmd.ErrOrStderr(), "\nnothing was recomputed for a minute: is a collector running, and what does its /readyz say?")
					changed = time.Now()
				}
				if pending == 0 {
					fmt.Fprintln(cmd.ErrOrStderr())
					return nil
				}
				select {
				case <-ctx.Done():
					return errors.New("interrupted: the rest is recomputed in the background while a collector runs")
				case <-time.After(time.Second):
				}
			}
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "first moment, RFC 3339 or a UTC date")
	cmd.Flags().StringVar(&to, "to", "", "the moment after the last, RFC 3339 or a UTC date")
	cmd.Flags().StringVar(&tenant, "tenant", "", "one tenant (default all)")
	return cmd
}

// databaseOf returns a client of the database that a running Flowgauge uses.
func databaseOf(cfg config.Config) (*clickhouse.Client, error) {
	if cfg.ClickHouse.Addr != "" {
		external, err := app.External(cfg)
		if err != nil {
			return nil, err
		}
		return clickhouse.New(external)
	}
	endpoint, err := engine.Running(filepath.Join(cfg.DataDir, "clickhouse"))
	if err != nil {
		return nil, fmt.Errorf("find the embedded database: %w: start 'flowgauge up' with the same --data-dir", err)
	}
	return clickhouse.New(clickhouse.Config{
		Addr: endpoint.TCPAddr(), Database: cfg.ClickHouse.Database, User: endpoint.Writer.Name, Password: endpoint.Writer.Password,
	})
}

func parseTime(flag, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("%s is %q: give RFC 3339 or a date, e.g. 2026-03-01T10:00:00Z or 2026-03-01", flag, text)}
}
