package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/access/keystore"
)

func newKeysRotate() *cobra.Command {
	var grace string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Give an API key a new secret and print it, once",
		Long: `Gives a key a new secret. The old one stays good for the grace, so that senders can be changed one by
one. A second rotation within the grace ends the first secret at once.`,
		Example: `  flowgauge keys rotate 4f1d0a77c2be --grace 24h
  flowgauge keys rotate 4f1d0a77c2be --grace 0     # the old secret has leaked`,
		Args: keyID,
		RunE: func(cmd *cobra.Command, args []string) error {
			span, err := parseSpan("--grace", grace)
			if err != nil {
				return err
			}
			return withKeys(cmd, nil, func(ctx context.Context, store *keystore.Store) error {
				secret, k, err := store.Rotate(ctx, args[0], span)
				if err != nil {
					return err
				}
				if span > 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "The old secret is good until %s UTC.\n", timeText(&k.PreviousUntil, ""))
				}
				return printSecret(cmd, asJSON, k, secret)
			})
		},
	}
	cmd.Flags().StringVar(&grace, "grace", "24h", "how long the old secret stays good, e.g. 7d; 0 ends it within 10 seconds")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the key and its secret as JSON")
	return cmd
}

func newKeysExpire() *cobra.Command {
	var in, at string
	var never bool
	cmd := &cobra.Command{
		Use:   "expire ID",
		Short: "Set when an API key ends",
		Example: `  flowgauge keys expire 4f1d0a77c2be --in 7d
  flowgauge keys expire 4f1d0a77c2be --at 2027-01-01
  flowgauge keys expire 4f1d0a77c2be --never`,
		Args: keyID,
		RunE: func(cmd *cobra.Command, args []string) error {
			var when time.Time
			switch {
			case in != "":
				span, err := parseSpan("--in", in)
				if err != nil {
					return err
				}
				when = time.Now().UTC().Add(span)
			case at != "":
				var err error
				if when, err = parseTime("--at", at); err != nil {
					return err
				}
			case !never:
				return usageError{errors.New("when? Give --in 7d, --at 2027-01-01 or --never")}
			}
			return withKeys(cmd, nil, func(ctx context.Context, store *keystore.Store) error {
				k, err := store.Expire(ctx, args[0], when)
				if err != nil {
					return err
				}
				if when.IsZero() {
					fmt.Fprintf(cmd.OutOrStdout(), "key %s of tenant %s does not expire\n", k.ID, k.Tenant)
					return nil
				}
				fmt.Fprintf(cmd.OutOrStdout(), "key %s of tenant %s expires at %s UTC\n", k.ID, k.Tenant, timeText(&when, ""))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&in, "in", "", "after how long, e.g. 7d; 0 is now")
	cmd.Flags().StringVar(&at, "at", "", "when, RFC 3339 or a UTC date")
	cmd.Flags().BoolVar(&never, "never", false, "the key does not expire")
	cmd.MarkFlagsMutuallyExclusive("in", "at", "never")
	return cmd
}

func newKeysRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "End an API key, for good",
		Long: `Ends a key within 10 seconds everywhere. It cannot be undone. A collector that cannot reach the database
does not learn of it before it can.`,
		Args: keyID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeys(cmd, nil, func(ctx context.Context, store *keystore.Store) error {
				k, err := store.Revoke(ctx, args[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "key %s of tenant %s is revoked\n", k.ID, k.Tenant)
				return nil
			})
		},
	}
}
