package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

const (
	linesPerSecond = 50
	linesAtOnce    = 200
	longestLine    = 4000
	// longestRead of a line is what go-plugin reads of one.
	longestRead = 64 << 10
)

// logs passes a plugin's lines on to Flowgauge's log, up to a rate. What is more is counted:
// a plugin that floods its log fills no disk but its own.
type logs struct {
	to      *slog.Logger
	limiter *rate.Limiter
	left    prometheus.Counter
	secrets *secrets
}

func newLogs(to *slog.Logger, use Use, left prometheus.Counter) *logs {
	return &logs{secrets: newSecrets(use.Secrets), to: to.With("plugin", use.ID), limiter: rate.NewLimiter(linesPerSecond, linesAtOnce), left: left}
}

// hclog is the logger that go-plugin wants.
func (l *logs) hclog() hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Debug})
	logger.RegisterSink(l)
	return logger
}

// Accept takes a line, of go-plugin or, with the name of its program, of the plugin.
func (l *logs) Accept(name string, level hclog.Level, msg string, args ...any) {
	if (name == "" || name == "stdio") && level < hclog.Warn {
		return // how go-plugin fares
	}
	at := slog.LevelInfo
	switch level {
	case hclog.Warn:
		at = slog.LevelWarn
	case hclog.Error:
		at = slog.LevelError
	}
	var line strings.Builder
	line.WriteString(msg)
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] != "timestamp" {
			fmt.Fprintf(&line, " %v=%v", args[i], args[i+1])
		}
	}
	l.pass(at, line.String())
}

func (l *logs) pass(at slog.Level, text string) {
	if !l.limiter.Allow() {
		l.left.Inc()
		return
	}
	l.to.Log(context.Background(), at, cut(l.secrets.out.Load().Replace(text), longestLine))
}

// A lineWriter takes what a plugin in Go writes to os.Stderr: go-plugin replaces that by a
// stream over the connection, and what nobody takes from there is lost.
type lineWriter struct {
	to   *logs
	part []byte // of the line that has not ended
}

func (w *lineWriter) Write(b []byte) (int, error) {
	for rest := b; ; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		// More than is passed on, so that a secret is seen as a whole.
		w.part = append(w.part, line[:min(len(line), longestRead-len(w.part))]...)
		if !ended {
			return len(b), nil
		}
		w.to.pass(slog.LevelInfo, string(w.part))
		w.part, rest = w.part[:0], after
	}
}
