package command

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/flowgauge/flowgauge/backend/app"
)

// reloadOnHangup starts the plugins anew at each SIGHUP, until ctx ends.
func reloadOnHangup(ctx context.Context, a *app.App, log *slog.Logger) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if err := a.ReloadPlugins(ctx); err != nil {
				log.ErrorContext(ctx, "plugins that could not be started anew stay as they are", "error", err)
				continue
			}
			log.InfoContext(ctx, "plugins are started anew")
		}
	}
}
