package command

import (
	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// withTenant runs what needs the database, on behalf of the tenant that --tenant names.
func withTenant(cmd *cobra.Command, run func(client *clickhouse.Client, tenant string) error) error {
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	tenant, err := cmd.Flags().GetString("tenant")
	if err != nil {
		return err
	}
	if tenant == "" {
		tenant = cfg.Tenant
	}
	client, err := databaseOf(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := schema.Migrate(cmd.Context(), client); err != nil { // it may come before the first server
		return err
	}
	return run(client, tenant)
}
