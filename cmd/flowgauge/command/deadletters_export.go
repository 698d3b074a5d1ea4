package command

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/collector/client/progress"
)

// letterLine is a line of an export, which replay reads again. Of event, text and
// base64 it has one, the payload; the others say why it was refused.
type letterLine struct {
	ID          string          `json:"id"`
	Code        string          `json:"code,omitempty"`
	Field       string          `json:"field,omitempty"`
	Message     string          `json:"message,omitempty"`
	ReceivedAt  time.Time       `json:"receivedAt,omitzero"`
	Source      string          `json:"source,omitempty"`
	ContentType string          `json:"contentType,omitempty"`
	Truncated   bool            `json:"truncated,omitempty"`
	Event       json.RawMessage `json:"event,omitempty"` // a payload that is JSON
	Text        string          `json:"text,omitempty"`  // any other
	Base64      string          `json:"base64,omitempty"`
}

func lineOf(l *api.DeadLetter) letterLine {
	line := letterLine{
		ID: l.ID, Code: l.Code, Field: l.Field, Message: l.Message, ReceivedAt: l.ReceivedAt, Source: l.Source,
		ContentType: l.ContentType, Truncated: l.Truncated, Base64: l.PayloadBase64,
	}
	if l.PayloadBase64 == "" {
		if json.Valid([]byte(l.Payload)) {
			line.Event = json.RawMessage(l.Payload)
		} else {
			line.Text = l.Payload
		}
	}
	return line
}

// payload returns what is to be sent.
func (l *letterLine) payload() ([]byte, error) {
	switch {
	case len(l.Event) > 0:
		return l.Event, nil
	case l.Base64 != "":
		b, err := base64.StdEncoding.DecodeString(l.Base64)
		if err != nil {
			return nil, fmt.Errorf("base64: %w", err)
		}
		return b, nil
	case l.Text != "":
		return []byte(l.Text), nil
	}
	return nil, errors.New("the line has none of event, text and base64")
}

func newLettersExport() *cobra.Command {
	var to target
	var filter letterFilter
	var output string
	var limit int
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write dead letters to a file, to be corrected",
		Long: `Writes dead letters as NDJSON: one a line, with why it was refused, and what was sent in the member
event (text where it is no JSON). Correct that with an editor and send the file back with
'flowgauge dead-letters replay FILE'; leave out the lines that are not to be sent.`,
		Example: `  flowgauge dead-letters export --code missing_field -o letters.ndjson`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := filter.values("open")
			if err != nil {
				return err
			}
			query.Set("payload", "65536")
			return withLetters(cmd, &to, func(c *letterClient) (err error) {
				out := cmd.OutOrStdout()
				if output != "" && output != "-" {
					f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
					if err != nil {
						return err
					}
					defer func() {
						if closed := f.Close(); err == nil {
							err = closed
						}
					}()
					out = f
				}
				lines := json.NewEncoder(out)
				lines.SetEscapeHTML(false)
				meter := progress.New(cmd.ErrOrStderr(), "export", 0, progress.Unknown)
				defer meter.Close()
				n := int64(0)
				more, err := c.each(cmd.Context(), query, limit, func(l api.DeadLetter) error {
					n++
					meter.Set(n, 1)
					return lines.Encode(lineOf(&l))
				})
				meter.Close()
				if err != nil {
					return err
				}
				note := ""
				if more {
					note = "; there are more, see --limit"
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%s dead letters%s\n", progress.Count(n), note)
				return nil
			})
		},
	}
	to.flags(cmd)
	filter.flags(cmd, "open")
	cmd.Flags().StringVarP(&output, "output", "o", "-", "file; '-' is standard output")
	cmd.Flags().IntVar(&limit, "limit", 0, "the most that are written; 0 is all")
	return cmd
}
