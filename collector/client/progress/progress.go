// Package progress shows how far a long run of sending has come: a bar on a
// terminal, a line every few seconds elsewhere, so that a log stays readable.
package progress

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Every is how often a line is written where there is no terminal.
const Every = 5 * time.Second

// Unknown is the total of a run whose end cannot be seen.
const Unknown int64 = -1

// Meter shows one run. Its methods may be called by several goroutines.
type Meter struct {
	mu    sync.Mutex
	w     io.Writer
	what  string
	total int64 // in the caller's unit: bytes, or milliseconds of history
	done  int64
	count int64 // events
	start time.Time
	next  time.Time // of the next line
	bar   *progressbar.ProgressBar
	now   func() time.Time
}

// New returns a meter of a run called what that ends at total, and may go on from
// an earlier one at done. It draws a bar when w is a terminal; a nil w shows
// nothing.
func New(w io.Writer, what string, done, total int64) *Meter {
	m := &Meter{w: w, what: what, done: done, total: total, now: time.Now}
	if w == nil {
		m.w = io.Discard
	}
	m.start = m.now()
	m.next = m.start.Add(Every)
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return m
	}
	m.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription(what),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish(),
	)
	_ = m.bar.Set64(done)
	return m
}

// Set says that the run has come to done, with events more events since the
// last call.
func (m *Meter) Set(done, events int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = done
	m.count += events
	if m.bar != nil {
		m.bar.Describe(m.what + " " + m.figures())
		// A bar at its maximum is finished and would be drawn no more.
		if m.total != Unknown {
			done = min(done, m.total-1)
		}
		_ = m.bar.Set64(max(0, done))
		return
	}
	if now := m.now(); !now.Before(m.next) {
		m.next = now.Add(Every)
		fmt.Fprintln(m.w, m.line())
	}
}

// Note writes a line of its own.
func (m *Meter) Note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear()
	}
	fmt.Fprintf(m.w, format+"\n", args...)
}

// Close takes the bar away. The caller says how the run ended.
func (m *Meter) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Exit()
		_ = m.bar.Clear()
	}
}

func (m *Meter) line() string {
	if m.total <= 0 {
		return m.what + ": " + m.figures()
	}
	return fmt.Sprintf("%s: %.1f %%, %s", m.what, 100*float64(m.done)/float64(m.total), m.figures())
}

func (m *Meter) figures() string {
	return Rate(m.count, m.now().Sub(m.start))
}

// Rate spells a number of events and how many of them there were each second.
func Rate(events int64, in time.Duration) string {
	if in < time.Millisecond {
		return Count(events) + " events"
	}
	return fmt.Sprintf("%s events, %s/s", Count(events), Count(int64(float64(events)/in.Seconds())))
}

// Count spells a number with its thousands apart.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
