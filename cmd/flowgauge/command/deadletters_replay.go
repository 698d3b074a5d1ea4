package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/collector/client/progress"
)

const (
	// replaysInFlight is how many lines of a file are sent at the same time.
	replaysInFlight = 4
	// maxLetterLine is the longest line of a file.
	maxLetterLine = 64 << 20
)

func newLettersReplay() *cobra.Command {
	var to target
	var filter letterFilter
	var all, yes, dryRun, asEvents bool
	var limit int
	cmd := &cobra.Command{
		Use:   "replay [FILE]",
		Short: "Send dead letters again, corrected or as they are",
		Long: `With FILE, which 'flowgauge dead-letters export' wrote and somebody corrected ('-' is standard input),
sends each line's payload in the place of what was refused.

Without FILE, sends those that the flags choose again as they are: useful when the sender was right,
because a limit was raised or a release takes more. It says what would become of them; --yes does it.

What is rejected again stays open and is listed with its reason; then the exit code is 3.`,
		Example: `  flowgauge dead-letters replay letters.ndjson
  flowgauge dead-letters replay --code too_long --source crm --yes`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if all || yes {
					return usageError{errors.New("--all and --yes are about dead letters that flags choose, not about those in FILE")}
				}
				return withLetters(cmd, &to, func(c *letterClient) error {
					return replayFile(cmd, c, args[0], api.ReplayOrder{DryRun: dryRun, AsEvents: asEvents})
				})
			}
			query, err := filter.values("open")
			if err != nil {
				return err
			}
			if chosen := cmd.Flags(); !all && !chosen.Changed("from") && !chosen.Changed("to") && !chosen.Changed("source") && !chosen.Changed("kind") &&
				!chosen.Changed("code") && !chosen.Changed("field") && !chosen.Changed("sent-by") && !chosen.Changed("search") {
				return usageError{errors.New("which dead letters? Give a FILE, or flags that choose them, or --all")}
			}
			request := map[string]any{"limit": limit, "dryRun": dryRun || !yes}
			for name, values := range query {
				switch {
				case len(values) == 0:
				case name == "from" || name == "to" || name == "search":
					request[name] = values[0]
				default:
					request[name] = values
				}
			}
			return withLetters(cmd, &to, func(c *letterClient) error { return replayChosen(cmd, c, request, limit) })
		},
	}
	to.flags(cmd)
	filter.flags(cmd, "open")
	cmd.Flags().BoolVar(&all, "all", false, "all that are open")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it; without it one is told what would be done")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "of a FILE: check, and send nothing")
	cmd.Flags().BoolVar(&asEvents, "as-events", false, "of a FILE: the payloads are in Flowgauge's own format, however they came")
	cmd.Flags().IntVar(&limit, "limit", 1000, "the most that flags choose, up to 10,000")
	return cmd
}

// replayed gathers what became of dead letters and says what was rejected.
type replayed struct {
	mu       sync.Mutex
	meter    *progress.Meter
	done     int64
	accepted int
	rejected int
}

// noted is how many reasons are shown one by one.
const noted = 20

func (r *replayed) add(id string, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if why == "" {
		r.accepted++
	} else if r.rejected++; r.rejected <= noted {
		r.meter.Note("%s: %s", id, why)
	}
	r.meter.Set(r.done, 1)
}

// end says how it ended.
func (r *replayed) end(cmd *cobra.Command, dryRun bool) error {
	r.meter.Close()
	if r.rejected > noted {
		fmt.Fprintf(cmd.ErrOrStderr(), "… and %d more\n", r.rejected-noted)
	}
	verb := "replayed"
	if dryRun {
		verb = "would be replayed"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s, %s rejected again\n", progress.Count(int64(r.accepted)), verb, progress.Count(int64(r.rejected)))
	if r.rejected > 0 {
		return errRejected
	}
	return nil
}

func replayChosen(cmd *cobra.Command, c *letterClient, request map[string]any, limit int) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	dryRun, _ := request["dryRun"].(bool)
	r := &replayed{meter: progress.New(cmd.ErrOrStderr(), "replay", 0, int64(limit))}
	sum, err := c.replayAll(cmd.Context(), body, func(result api.ReplayResult) {
		why := ""
		if f := result.Fault; f != nil {
			why = (&problemError{api.Problem{Detail: f.Detail, Errors: f.Errors}}).Error()
		}
		r.add(result.ID, why)
	})
	if err != nil {
		r.meter.Close()
		return err
	}
	ended := r.end(cmd, dryRun)
	if sum.More {
		fmt.Fprintln(cmd.ErrOrStderr(), "There are more; see --limit.")
	}
	if dryRun && r.accepted > 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "Nothing was sent; --yes does it.")
	}
	return ended
}

func replayFile(cmd *cobra.Command, c *letterClient, path string, o api.ReplayOrder) error {
	in := cmd.InOrStdin()
	total := progress.Unknown
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			total = lineCount(f, info.Size())
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		in = f
	}
	r := &replayed{meter: progress.New(cmd.ErrOrStderr(), "replay", 0, total)}
	group, ctx := errgroup.WithContext(cmd.Context())
	group.SetLimit(replaysInFlight)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLetterLine)
	var failed error
	for n := 1; lines.Scan() && ctx.Err() == nil; n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var line letterLine
		if err := json.Unmarshal(text, &line); err != nil || line.ID == "" {
			failed = usageError{fmt.Errorf("%s, line %d: not a line of an export (%w): nothing of it and of what follows was sent", path, n, errors.Join(err, errNoID(line)))}
			break
		}
		line.Event = bytes.Clone(line.Event)
		group.Go(func() error { return r.send(ctx, c, &line, o) })
	}
	err := errors.Join(group.Wait(), failed, lines.Err())
	ended := r.end(cmd, o.DryRun)
	if err != nil {
		return err
	}
	return ended
}

func errNoID(line letterLine) error {
	if line.ID == "" {
		return errors.New("it has no id")
	}
	return nil
}

func (r *replayed) send(ctx context.Context, c *letterClient, line *letterLine, o api.ReplayOrder) error {
	body, err := line.payload()
	if err != nil {
		r.add(line.ID, err.Error())
		return nil
	}
	o.Body, o.ContentType = body, line.ContentType
	if o.AsEvents {
		o.ContentType = acceptJSON
	}
	_, err = c.replay(ctx, line.ID, o)
	var problem *problemError
	if errors.As(err, &problem) && problem.rejected() {
		r.add(line.ID, problem.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", line.ID, err)
	}
	r.add(line.ID, "")
	return nil
}

// lineCount counts lines, for the progress.
func lineCount(f io.Reader, size int64) int64 {
	n, buf := int64(0), make([]byte, 1<<16)
	for size > 0 {
		got, err := f.Read(buf)
		n += int64(bytes.Count(buf[:got], []byte{'\n'}))
		if err != nil {
			break
		}
	}
	return max(n, 1)
}
