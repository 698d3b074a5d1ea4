package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

func newMigrate() *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Create or upgrade the tables of an external ClickHouse",
		Long: `Brings the tables of an external ClickHouse to this release. Collectors and servers do so by
themselves when they start; use it to do it ahead of time, or to see the statements. It may run
at the same time as anything else, and a second time does nothing.`,
		Example: `  FLOWGAUGE_CLICKHOUSE__ADDR=db.internal:9000 flowgauge migrate
  flowgauge migrate --show      # print the statements, run nothing`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			if show {
				layout := schema.Layout{Database: cfg.ClickHouse.Database, Cluster: cfg.ClickHouse.Cluster, Unreplicated: cfg.ClickHouse.Unreplicated}
				statements, err := layout.Statements()
				for _, s := range statements {
					fmt.Fprintf(cmd.OutOrStdout(), "%s;\n\n", s)
				}
				return err
			}
			if cfg.ClickHouse.Addr == "" {
				return errors.New("no external ClickHouse is configured (clickhouse.addr): the embedded one is upgraded by 'flowgauge up'")
			}
			external, err := app.External(cfg)
			if err != nil {
				return err
			}
			client, err := clickhouse.New(external)
			if err != nil {
				return err
			}
			defer client.Close()
			if err := schema.Migrate(cmd.Context(), client); err != nil {
				return err
			}
			applied, err := schema.Applied(cmd.Context(), client)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s has schema version %d\n", cfg.ClickHouse.Database, len(applied))
			return nil
		},
	}
	cmd.Flags().BoolVar(&show, "show", false, "print the statements and run nothing")
	return cmd
}
