package command

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

func newDirectory() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "directory",
		Short: "Look after users, their roles and their teams",
		Long: `The directory of a tenant says who its people are: a user's role, the teams that users are in, and who
manages a team and so sees its members' data. Running servers follow within 5 seconds.`,
		Example: `  flowgauge directory import people.yaml
  flowgauge directory list
  flowgauge directory show user mona`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().String("tenant", "", "whose directory (default: the configuration's tenant)")
	cmd.AddCommand(newDirectoryImport(), newDirectoryExport(), newDirectoryList(), newDirectoryShow())
	return cmd
}

// withDirectory runs what needs the directory of a tenant.
func withDirectory(cmd *cobra.Command, run func(store *directory.Store, tenant string) error) error {
	return withTenant(cmd, func(client *clickhouse.Client, tenant string) error {
		return run(directory.NewStore(client, -1), tenant)
	})
}

func newDirectoryImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Make a file the directory",
		Long: `Makes a file the directory: users and teams that it does not have are removed. YAML or JSON has users
(id, name, role, teams) and teams (id, name, members, managers); a membership may be written on either side.
CSV, a file that ends in .csv, has a row for each user and the columns id, name, role, teams and manages, with
semicolons between teams. - reads YAML from standard input.`,
		Example: `  flowgauge directory import people.yaml
  flowgauge directory export | sed s/ana/anna/ | flowgauge directory import -`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readFile(cmd, args[0])
			if err != nil {
				return err
			}
			parse := directory.Parse
			if strings.EqualFold(filepath.Ext(args[0]), ".csv") {
				parse = directory.ParseCSV
			}
			d, err := parse(text)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return withDirectory(cmd, func(store *directory.Store, tenant string) error {
				now, err := store.Replace(cmd.Context(), tenant, directory.By{Author: author()}, d)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "revision %d of %s is in force: %d users, %d teams\n", now.Revision(), tenant, len(d.Users), len(d.Teams))
				return err
			})
		},
	}
}

func newDirectoryExport() *cobra.Command {
	return &cobra.Command{
		Use:     "export",
		Short:   "Print the directory as YAML, for import",
		Example: "  flowgauge directory export > people.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDirectory(cmd, func(store *directory.Store, tenant string) error {
				now, err := store.Snapshot(cmd.Context(), tenant)
				if err != nil {
					return err
				}
				return printYAML(cmd.OutOrStdout(), now.Document())
			})
		},
	}
}

func newDirectoryList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List users with their roles and teams",
		Example: "  flowgauge directory list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDirectory(cmd, func(store *directory.Store, tenant string) error {
				now, err := store.Snapshot(cmd.Context(), tenant)
				if err != nil {
					return err
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "USER\tNAME\tROLE\tTEAMS\tSEES")
				for _, u := range now.Document().Users {
					sees := "own data"
					switch now.Role(u.ID) {
					case "admin":
						sees = "the tenant"
					case "manager":
						sees = fmt.Sprintf("%d users", len(now.Seen(u.ID)))
					}
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", u.ID, u.Name, now.Role(u.ID), strings.Join(u.Teams, ","), sees)
				}
				return table.Flush()
			})
		},
	}
}

func newDirectoryShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show user|team ID",
		Short:   "Show a user or a team",
		Example: "  flowgauge directory show team billing",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] != "user" && args[0] != "team" {
				return usageError{errors.New("say what to show, e.g. 'user ana' or 'team billing'")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDirectory(cmd, func(store *directory.Store, tenant string) error {
				now, err := store.Snapshot(cmd.Context(), tenant)
				if err != nil {
					return err
				}
				var entry any
				var ok bool
				if args[0] == "team" {
					entry, ok = now.Team(args[1])
				} else {
					entry, ok = now.User(args[1])
				}
				if !ok {
					return fmt.Errorf("%s %q of %s: %w", args[0], args[1], tenant, directory.ErrNotFound)
				}
				return printYAML(cmd.OutOrStdout(), entry)
			})
		},
	}
}

func printYAML(w io.Writer, v any) error {
	out := yaml.NewEncoder(w)
	out.SetIndent(2)
	return errors.Join(out.Encode(v), out.Close())
}
