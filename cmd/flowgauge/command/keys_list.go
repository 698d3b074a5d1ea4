package command

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/access/keystore"
)

func newKeysList() *cobra.Command {
	var tenant string
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List API keys",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd, nil, func(ctx context.Context, store *keystore.Store) error {
				uses, err := store.LastUses(ctx)
				if err != nil {
					return err
				}
				now, out := time.Now(), []keystore.Description{}
				for _, k := range store.List(tenant) {
					if all || k.Usable(now) {
						out = append(out, keystore.Describe(k, uses[k.ID], now))
					}
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), out)
				}
				return printKeys(cmd.OutOrStdout(), out)
			})
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "one tenant (default all)")
	cmd.Flags().BoolVar(&all, "all", false, "expired and revoked keys too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newKeysShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of an API key",
		Args:  keyID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeys(cmd, nil, func(ctx context.Context, store *keystore.Store) error {
				uses, err := store.LastUses(ctx)
				if err != nil {
					return err
				}
				k, ok := store.Get(args[0])
				if !ok {
					return fmt.Errorf("%w as %q: 'flowgauge keys list --all' has all", keystore.ErrNotFound, args[0])
				}
				d := keystore.Describe(k, uses[k.ID], time.Now())
				if asJSON {
					return printJSON(cmd.OutOrStdout(), d)
				}
				return printKey(cmd.OutOrStdout(), d)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printKeys(w io.Writer, keys []keystore.Description) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tTENANT\tNAME\tUSER\tROLE\tSCOPES\tSTATE\tCREATED\tEXPIRES\tLAST USED")
	for _, d := range keys {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			d.ID, d.Tenant, d.Name, d.UserID, roleText(d), scopesText(d), d.State, timeText(&d.CreatedAt, ""), timeText(d.ExpiresAt, "never"), timeText(d.LastUsedAt, "never"))
	}
	return table.Flush()
}

func printKey(w io.Writer, d keystore.Description) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(table, "%s\t%s\n", name, value) }
	row("id", d.ID)
	row("tenant", d.Tenant)
	row("name", d.Name)
	if d.UserID != "" {
		row("user", d.UserID)
	}
	row("role", roleText(d))
	row("scopes", scopesText(d))
	row("state", string(d.State))
	row("created", timeText(&d.CreatedAt, ""))
	row("expires", timeText(d.ExpiresAt, "never"))
	row("last used", timeText(d.LastUsedAt, "never"))
	if d.RevokedAt != nil {
		row("revoked", timeText(d.RevokedAt, ""))
	}
	if d.PreviousSecretUntil != nil {
		row("old secret good until", timeText(d.PreviousSecretUntil, ""))
	}
	if d.Certificate != "" {
		row("certificate", d.Certificate)
	}
	row("events per second", limitText(d.Limits.EventsPerSecond))
	row("requests per second", limitText(d.Limits.RequestsPerSecond))
	row("burst in seconds", limitText(d.Limits.BurstSeconds))
	return table.Flush()
}

func scopesText(d keystore.Description) string {
	text := make([]string, 0, len(d.Scopes)+1)
	for _, s := range d.Scopes {
		text = append(text, string(s))
	}
	if d.CrossTenant {
		text = append(text, "cross-tenant")
	}
	return strings.Join(text, ",")
}

// roleText says what the key's owner sees.
func roleText(d keystore.Description) string {
	switch {
	case d.Role != "":
		return string(d.Role)
	case d.UserID != "":
		return "as in the directory"
	}
	return "admin"
}

func timeText(t *time.Time, never string) string {
	if t == nil {
		return never
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// limitText says what a limit of a key is; see access.Limits.
func limitText(limit *float64) string {
	switch {
	case limit == nil:
		return "as configured"
	case *limit == 0:
		return "none"
	}
	return strconv.FormatFloat(*limit, 'f', -1, 64)
}
