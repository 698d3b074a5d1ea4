package plugin

import (
	"context"
	"log/slog"

	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/flowgauge/flowgauge/backend/access/audit"
)

// surface is what audit records say that readings come over.
const surface = "grafana"

// records writes the audit records of one datasource, in a chain of its own.
type records struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// keep writes what is added to a log until it is stopped.
func keep(l *audit.Log) *records {
	ctx, cancel := context.WithCancel(context.Background())
	r := &records{cancel, make(chan struct{})}
	go func() {
		defer close(r.done)
		l.Run(ctx)
	}()
	return r
}

// stop ends when what waits is written, or cannot be.
func (r *records) stop() {
	r.cancel()
	<-r.done
}

// pluginLog puts what shared packages log into Grafana's log.
type pluginLog struct{}

func (pluginLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle writes a record.
func (pluginLog) Handle(ctx context.Context, r slog.Record) error {
	var args []any
	r.Attrs(func(a slog.Attr) bool {
		args = append(args, a.Key, a.Value.String())
		return true
	})
	logger := log.DefaultLogger.FromContext(ctx)
	if r.Level >= slog.LevelError {
		logger.Error(r.Message, args...)
	} else {
		logger.Warn(r.Message, args...)
	}
	return nil
}

// WithAttrs is not used by those who log.
func (h pluginLog) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup is not used by those who log.
func (h pluginLog) WithGroup(string) slog.Handler { return h }
