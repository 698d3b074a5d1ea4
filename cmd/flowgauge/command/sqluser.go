package command

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

func newSQLUser() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sql-user",
		Short: "Make the ClickHouse user as whom people's own SQL runs",
		Long: `A user for statements that people write themselves, in Grafana for one. It is read-only, and reads the events of one
tenant alone: the views executions, steps, costs and activity of a database that has its name. The configured server's user must
be allowed to make users.`,
		Example: `  flowgauge sql-user create flowgauge_sql_acme --tenant acme
  flowgauge sql-user drop flowgauge_sql_acme`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSQLUserCreate(), newSQLUserDrop())
	return cmd
}

func newSQLUserCreate() *cobra.Command {
	u := schema.SQLUser{Memory: 2 << 30}
	var most time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a user, or give one a new password, and print the password once",
		Long: `Makes the user NAME, which is flowgauge_sql or begins with flowgauge_sql_, and what it reads. One that is there gets a new
password and new limits. In the datasource's settings name it as the user for SQL.`,
		Example: `  flowgauge sql-user create flowgauge_sql_acme --tenant acme --timeout 1m`,
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			u.Name, u.Password, u.Seconds = args[0], rand.Text(), int(most.Seconds())
			return withTenant(cmd, func(client *clickhouse.Client, tenant string) error {
				u.Tenant = tenant
				if err := u.Validate(); err != nil {
					return usageError{err}
				}
				if err := schema.MakeSQLUser(cmd.Context(), client, u); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), map[string]string{"user": u.Name, "password": u.Password, "tenant": tenant})
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), u.Password)
				return err
			})
		},
	}
	cmd.Flags().String("tenant", "", "whose events it reads (default: the configuration's tenant)")
	cmd.Flags().DurationVar(&most, "timeout", 30*time.Second, "how long a statement may take")
	cmd.Flags().Int64Var(&u.Memory, "memory", u.Memory, "bytes that a statement may use")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print user, password and tenant as JSON")
	return cmd
}

func newSQLUserDrop() *cobra.Command {
	return &cobra.Command{
		Use:     "drop NAME",
		Short:   "Take a user away, and its views",
		Example: "  flowgauge sql-user drop flowgauge_sql_acme",
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			client, err := databaseOf(cfg)
			if err != nil {
				return err
			}
			defer client.Close()
			return schema.DropSQLUser(cmd.Context(), client, args[0])
		},
	}
}

// oneName wants one argument: a user's name.
func oneName(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{errors.New("name one user, such as flowgauge_sql_acme")}
	}
	return nil
}
