package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/query"
)

// queryBench measures what questions cost. Its parts share a ClickHouse, so that
// data which took long to make serves several runs (--dir).
type queryBench struct {
	dir  string
	only []string

	rows       int // raw events of R7's ratio
	days       int // of rollups at full cardinality
	minuteDays int // of which have minutes
	workflows  int
	rounds     int

	binary  string
	seconds time.Duration
	viewers int
	scopes  int
	series  int

	db *database
}

// queryPart is one figure of the command. Another one is a line here.
type queryPart struct {
	name, what string
	run        func(b *queryBench, ctx context.Context) error
}

var queryParts = []queryPart{
	{"r7", "30 days from rollups beside 30 days from raw rows", (*queryBench).rollupsBesideRaw},
	{"r7full", "30 days at the cardinality of a billion events a day", (*queryBench).fullCardinality},
	{"r8", "PromQL over 30 days beside a time-series database of Prometheus", (*queryBench).promqlBesidePrometheus},
	{"r9", "10,000 viewers' panels from the cache beside a bare net/http with the same bytes", (*queryBench).dashboards},
}

func newQuery() *cobra.Command {
	b := &queryBench{}
	var names, lines []string
	for _, p := range queryParts {
		names, lines = append(names, p.name), append(lines, fmt.Sprintf("  %-8s%s", p.name, p.what))
	}
	cmd := &cobra.Command{
		Use:     "query",
		Short:   "Questions: from rollups, from the cache, beside their peers",
		Long:    "Measures, each in one run beside what it is compared with:\n\n" + strings.Join(lines, "\n"),
		Example: "  go run ./cmd/bench query\n  go run ./cmd/bench query --only r7 --rows 5000000 --days 31 --workflows 100",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&b.dir, "dir", "", "folder for the data, which is used again when it is there (default a temporary one)")
	f.StringSliceVar(&b.only, "only", names, "which to measure")
	f.IntVar(&b.rows, "rows", 100_000_000, "raw events in 30 days")
	f.IntVar(&b.days, "days", 90, "days of rollups at full cardinality")
	f.IntVar(&b.minuteDays, "minute-days", 2, "the last of them that have minutes as well")
	f.IntVar(&b.workflows, "workflows", 1000, "workflows at full cardinality")
	f.IntVar(&b.rounds, "rounds", 5, "how often each question is asked")
	f.StringVar(&b.binary, "binary", "bin/flowgauge", "the built program")
	f.DurationVar(&b.seconds, "seconds", 20*time.Second, "how long each load lasts")
	f.IntVar(&b.viewers, "viewers", 10_000, "viewers of dashboards")
	f.IntVar(&b.series, "series", 5000, "series of PromQL")
	f.IntVar(&b.scopes, "scopes", 20, "different scopes that they have")
	return cmd
}

func (b *queryBench) run(ctx context.Context) error {
	for _, name := range b.only {
		if !slices.ContainsFunc(queryParts, func(p queryPart) bool { return p.name == name }) {
			return fmt.Errorf("--only %s: there is no such part, see --help", name)
		}
	}
	if b.rows < 1000 || b.days < 31 || b.workflows < 10 || b.rounds < 1 || b.minuteDays < 1 || b.minuteDays > b.days || b.scopes < 1 || b.viewers < b.scopes {
		return errors.New("want at least 1000 rows, 31 days, 10 workflows, one round, one day with minutes, and a viewer for each scope")
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "flowgauge-bench-*")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		b.dir = dir
	}
	b.say("%d processors, %s/%s, %s, %s, load average %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, processor(), runtime.Version(), loadAverage())
	for _, p := range queryParts {
		if !slices.Contains(b.only, p.name) {
			continue
		}
		b.say("\n%s  %s", strings.ToUpper(p.name), p.what)
		if err := p.run(b, ctx); err != nil {
			b.stop()
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.stop()
	return nil
}

func (b *queryBench) say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// start runs the ClickHouse of the parts that need one.
func (b *queryBench) start(ctx context.Context) error {
	if b.db != nil {
		return nil
	}
	db, err := startDatabase(ctx, filepath.Join(b.dir, "clickhouse"))
	if err != nil {
		return err
	}
	b.db = db
	version, err := db.send(ctx, nil, "SELECT version()")
	b.say("ClickHouse %s", strings.TrimSpace(string(version)))
	return err
}

func (b *queryBench) stop() {
	if b.db != nil {
		b.db.stop()
		b.db = nil
	}
}

// store is a database of the ClickHouse with the full schema.
func (b *queryBench) store(ctx context.Context, name string) (*clickhouse.Client, error) {
	if err := b.db.endpoint.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+name); err != nil {
		return nil, err
	}
	client, err := b.client(name)
	if err != nil {
		return nil, err
	}
	return client, schema.Migrate(ctx, client)
}

func (b *queryBench) client(name string) (*clickhouse.Client, error) {
	return clickhouse.New(clickhouse.Config{
		Addr: b.db.endpoint.TCPAddr(), Database: name, User: b.db.endpoint.Writer.Name, Password: b.db.endpoint.Writer.Password,
	})
}

// made reports whether a part's data is there from an earlier run with the same
// figures; done says so for the next one.
func (b *queryBench) made(name, figures string) (there bool, done func() error) {
	path := filepath.Join(b.dir, name)
	text, err := os.ReadFile(path)
	return err == nil && string(text) == figures, func() error { return os.WriteFile(path, []byte(figures), 0o600) }
}

// begin removes a part's data of other figures: its database and a folder.
func (b *queryBench) begin(ctx context.Context, name, figures string) error {
	begun, begin := b.made(name+"-begun", figures)
	if begun {
		return nil
	}
	if err := b.db.endpoint.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" SYNC"); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(b.dir, name+"-peer")); err != nil {
		return err
	}
	return begin()
}

// asker is an engine whose present is the end of the data.
func asker(client *clickhouse.Client, limits query.Limits) (*query.Engine, error) {
	return query.New(query.Config{Client: client, Limits: limits, PendingTTL: time.Hour, Now: func() time.Time { return lastDay.Add(time.Hour) }})
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown processor"
}
