package importer

import (
	"fmt"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/collector/client/progress"
)

// The exit codes of an import.
const (
	ExitAccepted = 0 // every line was accepted
	ExitFailed   = 1 // something failed, or the import was interrupted
	ExitRejected = 3 // all was sent, and some lines were rejected
)

// Counts are what became of lines.
type Counts struct {
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"` // within a request
	Rejected   int64 `json:"rejected"`
}

func (c Counts) plus(d Counts) Counts {
	return Counts{c.Accepted + d.Accepted, c.Duplicates + d.Duplicates, c.Rejected + d.Rejected}
}

// FileSummary is the outcome of one file, earlier runs that it went on from
// included.
type FileSummary struct {
	Name string
	Counts
	Lines        int64  // acknowledged, blank ones included
	Resumed      int64  // of them by earlier runs
	RejectedFile string // where rejected lines are; "" when there are none
	Done         bool
}

// Summary is the outcome of an import.
type Summary struct {
	Files   []FileSummary
	Elapsed time.Duration
}

// Counts returns the sums over all files.
func (s Summary) Counts() Counts {
	var c Counts
	for _, f := range s.Files {
		c = c.plus(f.Counts)
	}
	return c
}

// ExitCode returns the exit code for what Run returned.
func ExitCode(s Summary, err error) int {
	switch {
	case err != nil:
		return ExitFailed
	case s.Counts().Rejected > 0:
		return ExitRejected
	}
	return ExitAccepted
}

// String tells the outcome, a line for each file.
func (s Summary) String() string {
	var b strings.Builder
	for _, f := range s.Files {
		fmt.Fprintf(&b, "%s: %s accepted, %s duplicates, %s rejected",
			f.Name, progress.Count(f.Accepted), progress.Count(f.Duplicates), progress.Count(f.Rejected))
		if f.Resumed > 0 {
			fmt.Fprintf(&b, " (gone on behind line %s)", progress.Count(f.Resumed))
		}
		if f.RejectedFile != "" {
			fmt.Fprintf(&b, "; rejected lines are in %s", f.RejectedFile)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// InterruptedError says that an import was stopped, and how to go on.
type InterruptedError struct {
	Line  int64 // up to which everything is acknowledged
	Saved bool  // the position is kept
	cause error
}

// Error says how to go on.
func (e *InterruptedError) Error() string {
	how := "import it again from the start: what was sent already counts once"
	if e.Saved {
		how = "run the same command again to go on from there"
	}
	return fmt.Sprintf("interrupted, everything up to line %d is acknowledged: %s", e.Line, how)
}

// Unwrap returns why the context ended.
func (e *InterruptedError) Unwrap() error { return e.cause }
