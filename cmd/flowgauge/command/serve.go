package command

import (
	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/backend/config"
)

func newCollector() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "collector",
		Short: "Take events in: HTTP, the log, the way into ClickHouse, rollups",
		Long: `Takes events in over HTTP and answers once they are durable, stores them in ClickHouse and
keeps the rollups. Events are accepted while ClickHouse is away and wait in the log: a write-ahead log
in the data folder or, with kafka.brokers set, a topic that any number of collectors share.`,
		Example: `  FLOWGAUGE_CLICKHOUSE__ADDR=db.internal:9000 flowgauge collector --http :8080 --data-dir /var/lib/flowgauge`,
		Args:    noArgs,
		RunE:    serve(app.Roles{Collector: true}),
	}
	addHTTPFlag(cmd)
	return cmd
}

func newServer() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "server",
		Short:   "Answer questions: the REST API",
		Long:    `Answers questions over HTTP from an external ClickHouse, into which collectors store events.`,
		Example: `  FLOWGAUGE_CLICKHOUSE__ADDR=db.internal:9000 flowgauge server --http :8081`,
		Args:    noArgs,
		RunE:    serve(app.Roles{Server: true}),
	}
	addHTTPFlag(cmd)
	return cmd
}

func addHTTPFlag(cmd *cobra.Command) {
	cmd.Flags().String("http", config.Default().HTTP.Listen, "HOST:PORT to serve HTTP on")
}

func serve(roles app.Roles) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		cfg, err := read(cmd)
		if err != nil {
			return err
		}
		log := newLogger(cfg, cmd.ErrOrStderr())
		a, err := app.New(app.Options{Config: cfg, Roles: roles, Logger: log, Progress: func(m string) { log.Info(m) }})
		if err != nil {
			return err
		}
		log.Info("serving", "url", a.URL(), "collector", roles.Collector, "server", roles.Server)
		go reloadOnHangup(cmd.Context(), a, log)
		return a.Run(cmd.Context())
	}
}
