package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list, rotate and revoke API keys",
		Long: `Looks after API keys in the database of the configuration, as 'flowgauge migrate' does; without one, in
the database of the 'flowgauge up' that runs with the same --data-dir. Running collectors and servers
follow within 10 seconds. Only a key's hash is stored: its secret is printed once, when it is made.`,
		Example: `  flowgauge keys create --name ci --scope ingest --expires 90d
  flowgauge keys list
  flowgauge keys rotate 4f1d0a77c2be --grace 24h
  flowgauge keys revoke 4f1d0a77c2be`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysCreate(), newKeysList(), newKeysShow(), newKeysRotate(), newKeysExpire(), newKeysRevoke())
	return cmd
}

// withKeys opens the keys of the database that the configuration names.
func withKeys(cmd *cobra.Command, prepare func(context.Context, *clickhouse.Client) error, do func(context.Context, *keystore.Store) error) error {
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	client, err := databaseOf(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := cmd.Context()
	store := keystore.New(client, slog.New(slog.DiscardHandler))
	if prepare != nil {
		err = prepare(ctx, client)
	}
	if err == nil {
		err = store.Refresh(ctx)
	}
	if err != nil {
		if strings.Contains(err.Error(), "UNKNOWN_TABLE") {
			return fmt.Errorf("database %s has no API keys yet: make one with 'flowgauge keys create'", client.Database())
		}
		if cfg.ClickHouse.Addr == "" && clickhouse.ClassOf(err) == clickhouse.ClassUnavailable {
			return fmt.Errorf("no 'flowgauge up' runs on %s, and no database is configured (clickhouse.addr): %w", cfg.DataDir, err)
		}
		return err
	}
	return do(ctx, store)
}

// keyID takes the only argument of a command.
func keyID(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usageError{errors.New("which key? Give its id; 'flowgauge keys list' has it")}
	}
	if _, whole := keystore.ID(args[0]); whole {
		return usageError{errors.New("give the key's id, what is between its underscores: others on the machine can read a command's arguments")}
	}
	return nil
}

// parseSpan reads the value of a flag that is a duration, in days if need be.
func parseSpan(flag, text string) (time.Duration, error) {
	d, err := parseDays(text)
	if err != nil {
		return 0, usageError{fmt.Errorf("%s is %q: give a duration, e.g. 90d, 36h or 0", flag, text)}
	}
	return d, nil
}

// printSecret shows a new secret: it alone on standard output, for scripts.
func printSecret(cmd *cobra.Command, asJSON bool, k keystore.Key, secret string) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), struct {
			keystore.Description
			Secret string `json:"secret"`
		}{keystore.Describe(k, time.Time{}, time.Now()), secret})
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Key %s of tenant %s. This is its secret; it is not shown again:\n", k.ID, k.Tenant)
	fmt.Fprintln(cmd.OutOrStdout(), secret)
	return nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
