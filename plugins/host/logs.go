package host

import (
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
)

// logs passes a plugin's lines on to Flowgauge's log, up to a rate. What is more is counted:
// a plugin that floods its log fills no disk but its own.
type logs struct {
	to      *slog.Logger
	limiter *rate.Limiter
	left    prometheus.Counter
}

func newLogs(to *slog.Logger, id string, left prometheus.Counter) *logs {
	return &logs{to: to.With("plugin", id), limiter: rate.NewLimiter(linesPerSecond, linesAtOnce), left: left}
}

// hclog is the logger that go-plugin wants.
func (l *logs) hclog() hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Debug})
	logger.RegisterSink(l)
	return logger
}

// Accept takes a line, of the plugin if it has a name and of go-plugin if not.
func (l *logs) Accept(name string, level hclog.Level, msg string, args ...any) {
	if name == "" && level < hclog.Warn {
		return // how go-plugin fares
	}
	if !l.limiter.Allow() {
		l.left.Inc()
		return
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
	text := line.String()
	if len(text) > longestLine {
		text = strings.ToValidUTF8(text[:longestLine], "") + " …"
	}
	l.to.Log(context.Background(), at, text)
}
