// Package importer sends files of events to a collector: NDJSON, plain or
// compressed with gzip or zstd, whatever their names.
//
//	open -> cut into batches -> send, several at once -> commit in order
//
// Batches are committed in the file's order, whichever is answered first: only
// then are their rejected lines written, their counts added, and the position
// up to which everything is acknowledged saved. An import that was interrupted
// goes on from that position; whatever was sent beyond it is sent again, which is
// harmless, since an event sent twice counts once. The same makes it safe to
// import a finished file again, from its start, which is what a second run does.
// A file that changed since, or another collector or key, also starts over.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/flowgauge/flowgauge/collector/client"
)

// Stdin as a file's name is the standard input. It cannot be resumed.
const Stdin = "-"

// The defaults of Config.
const (
	DefaultBatchLines = 1000
	DefaultBatchBytes = 1 << 20
	DefaultInFlight   = 4
	DefaultGrace      = 5 * time.Second
)

// MaxLine is the longest line that is sent. A longer one is no event (their
// texts are bounded) and is rejected here, so that memory stays bounded too.
const MaxLine = 4 << 20

// Sender takes n events as NDJSON and says what became of them. It may be called
// by several goroutines, and retries what is worth it. *client.Client is one.
type Sender interface {
	Send(ctx context.Context, body []byte, n int) (client.Receipt, error)
}

// Config says what to import and how.
type Config struct {
	Files  []string // names, or Stdin
	Client Sender
	// Target names where events go, as client.Client.Target does: a position
	// saved for another one is not used.
	Target string
	// StateDir keeps the positions of unfinished imports; "" keeps none.
	StateDir string
	// Restart ignores a saved position.
	Restart bool
	// Rejected is where rejected lines are written: a file's name, or a folder's
	// when there are several Files. "" is FILE.rejected.ndjson beside each file,
	// or in the working directory where that cannot be written.
	Rejected string
	// BatchLines and BatchBytes bound a request; InFlight is the number of
	// requests at once.
	BatchLines, BatchBytes, InFlight int
	// Grace is how long requests that are under way may take when ctx ends.
	Grace time.Duration
	// Progress gets a bar or lines of progress, and notes; nil gets nothing.
	Progress io.Writer
	// Input is read for Stdin; nil is os.Stdin.
	Input io.Reader
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case len(c.Files) == 0:
		return errors.New("no file to import")
	case c.Client == nil:
		return errors.New("no client to import with")
	case c.BatchLines < 0 || c.BatchBytes < 0 || c.InFlight < 0 || c.Grace < 0:
		return errors.New("negative batch size, requests in flight or grace")
	}
	seen := map[string]bool{}
	for _, f := range c.Files {
		if seen[f] {
			return fmt.Errorf("%s is named twice", f)
		}
		seen[f] = true
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.BatchLines == 0 {
		c.BatchLines = DefaultBatchLines
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = DefaultBatchBytes
	}
	if c.InFlight == 0 {
		c.InFlight = DefaultInFlight
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.Input == nil {
		c.Input = os.Stdin
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

// Run imports the files one after the other and returns what became of their
// lines. It stops at the first failure. When ctx ends it waits for the requests
// under way, saves the position and returns an *InterruptedError.
func Run(ctx context.Context, c Config) (Summary, error) {
	if err := c.Validate(); err != nil {
		return Summary{}, err
	}
	c = c.withDefaults()
	var sum Summary
	start := time.Now()
	for _, name := range c.Files {
		f, err := importFile(ctx, c, name)
		sum.Files = append(sum.Files, f)
		sum.Elapsed = time.Since(start)
		if err != nil {
			return sum, fmt.Errorf("import %s: %w", name, err)
		}
	}
	return sum, nil
}
