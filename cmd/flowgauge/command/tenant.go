package command

import (
	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/config"
)

// withTenant runs what needs the database as this version knows it, on behalf of the
// tenant that --tenant names: it may come before the first server.
func withTenant(cmd *cobra.Command, run func(client *clickhouse.Client, tenant string) error) error {
	return asTenant(cmd, func(_ config.Config, client *clickhouse.Client, tenant string) error {
		if err := schema.Migrate(cmd.Context(), client); err != nil {
			return err
		}
		return run(client, tenant)
	})
}

// asTenant runs what needs the database, on behalf of the tenant that --tenant names.
func asTenant(cmd *cobra.Command, run func(cfg config.Config, client *clickhouse.Client, tenant string) error) error {
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
	return run(cfg, client, tenant)
}
