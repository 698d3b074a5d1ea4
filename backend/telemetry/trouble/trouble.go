// Package trouble tells of what is tried again and again when it begins to fail, fails in
// another way and works again, and not each time.
package trouble

import (
	"context"
	"log/slog"
	"sync"
)

// Log remembers what was told last. Its method may be called by many goroutines.
type Log struct {
	log  *slog.Logger
	mu   sync.Mutex
	last map[string]string
}

// New returns a Log that writes to another.
func New(log *slog.Logger) *Log { return &Log{log: log, last: map[string]string{}} }

// Note says what has become of something this time; key tells it from others. While a process
// ends, everything fails, and nothing is said.
func (l *Log) Note(ctx context.Context, key, what string, err error, args ...any) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.last[key]
	switch {
	case err == nil && before != "":
		delete(l.last, key)
		l.log.InfoContext(ctx, what+": it works again", args...)
	case err != nil && err.Error() != before:
		l.last[key] = err.Error()
		l.log.WarnContext(ctx, what+": it is tried again", append(args, "error", err)...)
	}
}
