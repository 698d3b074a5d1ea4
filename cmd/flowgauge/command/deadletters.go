package command

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/api"
)

func newDeadLetters() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "Read, correct and replay what the collector refused",
		Long: `Looks after refused events over HTTP, with a key of the scope admin (to read them, read is enough). A
dead letter is open until it was replayed or discarded. What is replayed takes the way of any other
event; replaying twice counts once.`,
		Example: `  flowgauge dead-letters list --code missing_field --source crm
  flowgauge dead-letters export --code missing_field > letters.ndjson
  $EDITOR letters.ndjson                       # correct the member event of each line
  flowgauge dead-letters replay letters.ndjson
  flowgauge dead-letters replay --code too_long          # as they are: what would become of them
  flowgauge dead-letters replay --code too_long --yes`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLettersList(), newLettersShow(), newLettersExport(), newLettersReplay(), newLettersDiscard())
	return cmd
}

// letterFilter are the flags that choose dead letters.
type letterFilter struct {
	from, to, search                             string
	sources, kinds, codes, fields, keys, inState []string
}

func (f *letterFilter) flags(cmd *cobra.Command, states string) {
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "received at this time or later, RFC 3339 or a UTC date")
	flags.StringVar(&f.to, "to", "", "received before this time")
	flags.StringArrayVar(&f.sources, "source", nil, "which system sent it (repeatable, as the next ones)")
	flags.StringArrayVar(&f.kinds, "kind", nil, "execution, step, cost or activity")
	flags.StringArrayVar(&f.codes, "code", nil, "why it was refused, e.g. missing_field")
	flags.StringArrayVar(&f.fields, "field", nil, "the field at fault")
	flags.StringArrayVar(&f.keys, "sent-by", nil, "id of the API key that sent it")
	flags.StringArrayVar(&f.inState, "state", nil, "open, replayed or discarded (default "+states+")")
	flags.StringVar(&f.search, "search", "", "part of the payload or the message")
}

// values returns the filter as an address has it, the states given if none are set.
func (f *letterFilter) values(states ...string) (url.Values, error) {
	v := url.Values{"source": f.sources, "kind": f.kinds, "code": f.codes, "field": f.fields, "key": f.keys, "state": f.inState}
	if len(f.inState) == 0 {
		v["state"] = states
	}
	for flag, text := range map[string]string{"from": f.from, "to": f.to} {
		if text == "" {
			continue
		}
		at, err := parseTime("--"+flag, text)
		if err != nil {
			return nil, err
		}
		v.Set(flag, at.UTC().Format("2006-01-02T15:04:05.999999999Z"))
	}
	if f.search != "" {
		v.Set("search", f.search)
	}
	return v, nil
}

// withLetters runs what talks to a collector about dead letters.
func withLetters(cmd *cobra.Command, to *target, run func(*letterClient) error) error {
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	c, err := newLetterClient(to, cfg.DataDir)
	if err != nil {
		return err
	}
	return run(c)
}

func newLettersList() *cobra.Command {
	var to target
	var filter letterFilter
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, the one received last first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usageError{errors.New("--limit must be 1 or more")}
			}
			query, err := filter.values("open")
			if err != nil {
				return err
			}
			query.Set("payload", "0")
			return withLetters(cmd, &to, func(c *letterClient) error {
				letters := []api.DeadLetter{}
				more, err := c.each(cmd.Context(), query, limit, func(l api.DeadLetter) error {
					letters = append(letters, l)
					return nil
				})
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), letters)
				}
				if err := printLetters(cmd.OutOrStdout(), letters); err != nil {
					return err
				}
				if more {
					fmt.Fprintln(cmd.ErrOrStderr(), "There are more; see --limit.")
				}
				return nil
			})
		},
	}
	to.flags(cmd)
	filter.flags(cmd, "open")
	cmd.Flags().IntVar(&limit, "limit", 50, "the most that are listed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printLetters(w io.Writer, letters []api.DeadLetter) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tRECEIVED\tSTATE\tSOURCE\tKIND\tCODE\tMESSAGE")
	for i := range letters {
		l := &letters[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, timeText(&l.ReceivedAt, ""), l.State, l.Source, l.Kind, l.Code, clip(l.Message, 80))
	}
	return table.Flush()
}

// clip shortens a text for a line of a table.
func clip(text string, most int) string {
	letters := []rune(text)
	for i, r := range letters {
		if r < ' ' {
			letters[i] = ' '
		}
	}
	if len(letters) <= most {
		return string(letters)
	}
	return string(letters[:most-1]) + "…"
}

func letterID(cmd *cobra.Command, args []string) error {
	if err := cobra.MinimumNArgs(1)(cmd, args); err != nil {
		return usageError{errors.New("which dead letter? Give its id; 'flowgauge dead-letters list' has it")}
	}
	return nil
}

func newLettersShow() *cobra.Command {
	var to target
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID…",
		Short: "Show all that is kept of dead letters",
		Args:  letterID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLetters(cmd, &to, func(c *letterClient) error {
				for _, id := range args {
					l, err := c.get(cmd.Context(), id)
					if err != nil {
						return err
					}
					if asJSON {
						err = printJSON(cmd.OutOrStdout(), l)
					} else {
						err = printLetter(cmd.OutOrStdout(), &l)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printLetter(w io.Writer, l *api.DeadLetter) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	row("id", l.ID)
	row("received", timeText(&l.ReceivedAt, ""))
	row("source", l.Source)
	row("kind", l.Kind)
	row("sent by key", l.KeyID)
	row("to", l.Path)
	row("as", l.ContentType)
	if l.Position >= 0 {
		row("position", strconv.Itoa(l.Position))
	} else {
		row("position", "the whole body")
	}
	row("code", l.Code)
	row("field", l.Field)
	row("message", l.Message)
	row("state", l.State)
	if !l.ChangedAt.IsZero() {
		row("changed", timeText(&l.ChangedAt, "")+" by key "+l.ChangedBy)
	}
	for _, e := range l.Events {
		row("became", e.Kind+" "+e.ID+" "+e.Phase+" at "+e.Time.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	if l.Truncated {
		row("payload", "the first "+strconv.Itoa(l.PayloadBytes)+" bytes; the rest was not kept")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if l.PayloadBase64 != "" {
		_, err := fmt.Fprintf(w, "\n%s (base64)\n", l.PayloadBase64)
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", l.Payload)
	return err
}

func newLettersDiscard() *cobra.Command {
	var to target
	cmd := &cobra.Command{
		Use:   "discard ID…",
		Short: "Note that dead letters are not wanted",
		Long: `Notes that dead letters are not wanted, with who said so and when. They stay, and may still be
replayed; lists show them with --state discarded.`,
		Args: letterID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLetters(cmd, &to, func(c *letterClient) error {
				for _, id := range args {
					if _, err := c.discard(cmd.Context(), id); err != nil {
						return err
					}
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d discarded\n", len(args))
				return nil
			})
		},
	}
	to.flags(cmd)
	return cmd
}
