package command

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Look after what roles do not see: pseudonyms, small groups, fields",
		Long: `The access policy of a tenant keeps back some of what is within a role's scope: users' ids, figures about few users,
fields. Running servers follow within 5 seconds. Without one nothing is kept back.`,
		Example: `  flowgauge policy get > policy.yaml
  flowgauge policy check policy.yaml
  flowgauge policy set policy.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().String("tenant", "", "whose policy (default: the configuration's tenant)")
	cmd.AddCommand(newPolicyGet(), newPolicySet(), newPolicyCheck())
	return cmd
}

func newPolicyGet() *cobra.Command {
	return &cobra.Command{
		Use:     "get",
		Short:   "Print the policy in force as YAML, for set",
		Example: "  flowgauge policy get > policy.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTenant(cmd, func(client *clickhouse.Client, tenant string) error {
				d, _, err := policy.NewStore(client).Current(cmd.Context(), tenant)
				if err != nil {
					return err
				}
				if d.Roles == nil {
					d.Roles = map[access.Role]policy.Rule{}
				}
				return printYAML(cmd.OutOrStdout(), d)
			})
		},
	}
}

func newPolicySet() *cobra.Command {
	return &cobra.Command{
		Use:   "set FILE",
		Short: "Put a policy in force",
		Long: `Makes a file the policy of the tenant; the one before it is kept as an earlier revision. YAML or JSON; - reads
standard input. The file is checked first, as by 'flowgauge policy check'.`,
		Example: `  flowgauge policy set policy.yaml
  echo 'roles: {}' | flowgauge policy set -       # keep nothing back any more`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := readPolicy(cmd, args[0])
			if err != nil {
				return err
			}
			return withTenant(cmd, func(client *clickhouse.Client, tenant string) error {
				revision, err := policy.NewStore(client).Put(cmd.Context(), tenant, author(), d)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "revision %d of %s is in force\n", revision, tenant)
				return err
			})
		},
	}
}

func newPolicyCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a policy without putting it in force",
		Long: `Reads a policy and says what it keeps from whom. It needs no database. A policy that cannot be used, because of a
mistake in it, or because it wants pseudonyms and the configuration has no key of them, ends with code 1.`,
		Example: "  flowgauge policy check policy.yaml",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := readPolicy(cmd, args[0])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, role := range []access.Role{access.RoleViewer, access.RoleManager, access.RoleAdmin} {
				for _, line := range kept(d.Roles[role]) {
					if _, err := fmt.Fprintf(out, "%s: %s\n", role, line); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}

func readPolicy(cmd *cobra.Command, path string) (*policy.Document, error) {
	cfg, err := load(cmd)
	if err != nil {
		return nil, err
	}
	text, err := readFile(cmd, path)
	if err != nil {
		return nil, err
	}
	d, err := policy.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for role, rule := range d.Roles {
		if rule.Pseudonyms && cfg.Privacy.Key == "" {
			return nil, fmt.Errorf("%s: role %s: %w: make one with 'openssl rand -hex 32 > %s' and give it to every server", path, role, policy.ErrNoKey, "pseudonyms.key")
		}
	}
	return d, nil
}

// kept says in words what a rule keeps back.
func kept(r policy.Rule) []string {
	var out []string
	if r.Pseudonyms {
		out = append(out, "sees pseudonyms in the place of users' ids")
	}
	if r.MinimumUsers > 1 {
		out = append(out, fmt.Sprintf("sees figures of %d users and more only", r.MinimumUsers))
	}
	for _, name := range slices.Sorted(slices.Values(r.Redact)) {
		out = append(out, "does not see "+name)
	}
	if out == nil {
		out = []string{"sees everything in its scope"}
	}
	return out
}

// oneFile wants one argument: a file.
func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{errors.New("name one file, or - for standard input")}
	}
	return nil
}
