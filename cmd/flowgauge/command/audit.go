package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read who read what, and check that nobody has changed it",
		Long: `The audit log has a record of each reading of data: who asked, over which surface, what for, whose rows were in
their scope, and how many came out. Records are chained by their hashes, so that a change is found.`,
		Example: `  flowgauge audit list --user ana --from 2026-03-01
  flowgauge audit verify`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().String("tenant", "", "whose log (default: the configuration's tenant)")
	cmd.AddCommand(newAuditList(), newAuditVerify())
	return cmd
}

func newAuditList() *cobra.Command {
	var page audit.Page
	var from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List readings, the newest first",
		Long: `Lists readings of data, the newest first: all that match, or as many as --limit says. Filters are as they were asked for.
With --json there is a record a line, as it was hashed.`,
		Example: `  flowgauge audit list --limit 20
  flowgauge audit list --user ana --from 2026-03-01 --to 2026-04-01
  flowgauge audit list --outcome denied --json | jq -r .userId | sort | uniq -c`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, at := range []struct {
				flag, text string
				into       *time.Time
			}{{"--from", from, &page.From}, {"--to", to, &page.To}} {
				if at.text == "" {
					continue
				}
				t, err := parseTime(at.flag, at.text)
				if err != nil {
					return err
				}
				*at.into = t
			}
			most := page.Limit
			if most < 0 {
				return usageError{fmt.Errorf("--limit is %d: give 1 or more, or 0 for all", most)}
			}
			return withTenant(cmd, func(client *clickhouse.Client, tenant string) error {
				return listAudit(cmd, client, tenant, page, most, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "first moment, RFC 3339 or a UTC date")
	cmd.Flags().StringVar(&to, "to", "", "the moment after the last, RFC 3339 or a UTC date")
	cmd.Flags().StringVar(&page.UserID, "user", "", "readings by this user")
	cmd.Flags().StringVar(&page.KeyID, "key", "", "readings with the API key of this id")
	cmd.Flags().StringVar(&page.Kind, "kind", "", "readings of this kind, e.g. metrics, promql or dead_letters")
	cmd.Flags().StringVar(&page.Outcome, "outcome", "", "answered, denied, invalid or failed")
	cmd.Flags().IntVar(&page.Limit, "limit", 100, "how many; 0 is all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "a JSON record a line")
	return cmd
}

// auditPage is how many records are read at once.
const auditPage = 1000

// listAudit prints records page by page, as they come.
func listAudit(cmd *cobra.Command, client *clickhouse.Client, tenant string, page audit.Page, most int, asJSON bool) error {
	write, flush := auditTable(cmd.OutOrStdout())
	if asJSON {
		lines := json.NewEncoder(cmd.OutOrStdout())
		write, flush = func(r *audit.Record) error { return lines.Encode(r) }, func() error { return nil }
	}
	for left := most; ; {
		page.Limit = auditPage
		if most > 0 {
			page.Limit = min(auditPage, left)
		}
		records, next, err := audit.List(cmd.Context(), client, tenant, page)
		if err != nil {
			return err
		}
		for i := range records {
			if err := write(&records[i]); err != nil {
				return err
			}
		}
		if err := flush(); err != nil {
			return err
		}
		left -= len(records)
		if page.Cursor = next; next == "" || most > 0 && left == 0 {
			return nil
		}
	}
}

// auditTable prints records as a table, whose columns are aligned page by page.
func auditTable(w io.Writer) (row func(*audit.Record) error, flush func() error) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := true
	return func(r *audit.Record) error {
		if head {
			head = false
			fmt.Fprintln(table, "AT\tWHO\tROLE\tOVER\tKIND\tWHAT\tSCOPE\tROWS\tOUTCOME")
		}
		who := r.UserID
		if who == "" {
			who = "key " + r.KeyID
		}
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.At.Format("2006-01-02 15:04:05.000"), plainText(who), r.Role, r.Surface, r.Kind,
			plainText(whatWasRead(r)), r.Scope, strconv.Itoa(r.Rows), r.Outcome)
		return err
	}, table.Flush
}

// whatWasRead is a record's question in a few words.
func whatWasRead(r *audit.Record) string {
	parts := []string{strings.Join(r.Metrics, ",")}
	if len(r.GroupBy) > 0 {
		parts = append(parts, "by "+strings.Join(r.GroupBy, ","))
	}
	for _, f := range r.Filters {
		parts = append(parts, f.Dimension+" "+f.Operator+" "+strings.Join(f.Values, "|"))
	}
	for _, name := range []string{"query", "match[]", "label", "do", "id", "user", "resource", "execution"} {
		if v := r.Params[name]; v != "" {
			parts = append(parts, name+"="+v)
		}
	}
	text := strings.TrimSpace(strings.Join(parts, " "))
	if runes := []rune(text); len(runes) > 80 {
		text = string(runes[:79]) + "…"
	}
	return text
}

// plainText is text without what a terminal would obey: records hold what callers wrote.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}

// errBroken ends a command with exit code 4.
var errBroken = errors.New("the audit log is not as it was written")

func newAuditVerify() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that no record was changed, removed or put in",
		Long: `Recomputes the chains of a tenant's records, and prints their heads, which are to be noted elsewhere: records that
were cut off the end of the newest chain are found by comparing with them. Exit codes: 0 the log is as it was written,
4 it is not (the first record at fault is named), 1 it could not be read.`,
		Example: `  flowgauge audit verify
  flowgauge audit verify --tenant acme --json > heads.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withTenant(cmd, func(client *clickhouse.Client, tenant string) error {
				report, err := audit.Verify(cmd.Context(), client, tenant)
				if err != nil {
					return err
				}
				if err := printReport(cmd.OutOrStdout(), report, asJSON); err != nil {
					return err
				}
				if b := report.Broken; b != nil {
					return fmt.Errorf("%w: record %d of chain %s, of %s: %s", errBroken, b.Sequence, b.Chain, b.At.Format(time.RFC3339), b.Problem)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func printReport(w io.Writer, report audit.Report, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHAIN\tRECORDS\tHEAD")
	for _, h := range report.Chains {
		fmt.Fprintf(table, "%s\t%d\t%s\n", h.Chain, h.Sequence, h.Hash)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	verdict := "are as they were written"
	if report.Broken != nil {
		verdict = "were checked before the fault"
	}
	_, err := fmt.Fprintf(w, "%d records %s; %d readings could not be recorded\n", report.Records, verdict, report.Dropped)
	return err
}
