// Command bench measures Flowgauge beside its peers in one run and prints ratios.
// It starts everything itself: the built program, ClickHouse, an OpenTelemetry
// Collector. docs/performance.md has its figures and says what they mean.
//
//	go run ./cmd/bench ingest --rounds 3 --duration 60s
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/engine"
)

func main() {
	engine.RunChildIfAsked() // the peers' ClickHouse is this program again
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use: "bench", Short: "Measure Flowgauge beside its peers", SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(newIngest(), newOverload(), newOutage(), newQuery(), newDatasource(), newBare(), newUp())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}
