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
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
)

// ingest measures R1 to R4, alternating with the peers so that what the machine
// does otherwise meets all of them.
type ingest struct {
	binary   string
	config   string // a file, may be empty
	dir      string
	rounds   int
	duration time.Duration
	warmup   time.Duration
	only     []string
	cores    int

	templates []*template
	parts     []part
	figures   map[string][]measure
}

func newIngest() *cobra.Command {
	b := &ingest{cores: runtime.NumCPU(), figures: map[string][]measure{}}
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Durable ingest beside a raw insert, JSONEachRow, async inserts and an OpenTelemetry Collector",
		Long: `Measures, alternating, for --duration each and --rounds times:

  R1  events per second, durable over HTTP with rollups on, beside a raw columnar insert of the same rows
  R2  spans per second over OTLP, beside an OpenTelemetry Collector with a synced queue on disk
  R3  processor time per event from HTTP to ClickHouse, beside the same bytes as JSONEachRow
  R4  single events acknowledged per second on 256 connections, beside ClickHouse's async inserts
  plugins  events per second with an enricher that touches each, as a plugin and compiled in
  history  events per second with and without the history that asOf is answered from

The rate of Flowgauge is that of rows stored in ClickHouse while the log stays short: the generator pauses
while more than some seconds' worth waits. Medians are printed, and ratios of them.`,
		Example: "  go run ./cmd/bench ingest\n  go run ./cmd/bench ingest --only R1,R3 --rounds 1 --duration 20s",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context()) },
	}
	cmd.Flags().StringVar(&b.binary, "binary", "bin/flowgauge", "the built program")
	cmd.Flags().StringVar(&b.dir, "dir", "", "folder for the data (default a temporary one)")
	cmd.Flags().IntVar(&b.rounds, "rounds", 3, "how often each is measured")
	cmd.Flags().DurationVar(&b.duration, "duration", time.Minute, "of one measurement")
	cmd.Flags().DurationVar(&b.warmup, "warmup", 10*time.Second, "before each measurement")
	cmd.Flags().StringSliceVar(&b.only, "only", []string{"R1", "R2", "R3", "R4", "plugins", "history"}, "which to measure")
	return cmd
}

func (b *ingest) run(ctx context.Context) error {
	if runtime.GOOS != "linux" {
		return errors.New("processor times are read from /proc: run it on Linux")
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "flowgauge-bench-*")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		b.dir = dir
	}
	b.say("%d processors, Go %s, load average %s", b.cores, runtime.Version(), loadAverage())
	b.say("simulating events")
	var err error
	if b.templates, err = newTemplates(200_000, eventsOfABody); err != nil {
		return err
	}
	for round := range b.rounds {
		b.say("round %d of %d", round+1, b.rounds)
		for _, step := range b.steps() {
			dir, err := os.MkdirTemp(b.dir, "run-*")
			if err != nil {
				return err
			}
			m, err := step.measure(ctx, dir)
			if err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			b.figures[step.name] = append(b.figures[step.name], m)
			b.say("  %-34s %9.0f /s  %6.0f /s fair  %6.0f ns of processor each  %s", step.name, m.rate(), m.fair(b.cores), m.perEvent(), m.lag)
		}
	}
	b.report()
	return nil
}

const eventsOfABody = 1000

type step struct {
	name    string
	measure func(ctx context.Context, dir string) (measure, error)
}

func (b *ingest) wants(name string) bool { return slices.Contains(b.only, name) }

func (b *ingest) steps() (out []step) {
	add := func(name string, f func(context.Context, string) (measure, error)) { out = append(out, step{name, f}) }
	if slices.ContainsFunc([]string{"R1", "R3", "plugins", "history"}, b.wants) {
		add("flowgauge", func(ctx context.Context, dir string) (measure, error) { return b.flowgauge(ctx, dir, b.wants("R1")) })
	}
	if b.wants("R1") {
		add("raw columnar insert", b.raw)
	}
	if b.wants("R3") {
		add("flowgauge without rollups", func(ctx context.Context, dir string) (measure, error) {
			return b.flowgauge(ctx, dir, false, "FLOWGAUGE_ROLLUP__ENABLED=false")
		})
		add("JSONEachRow", b.json)
	}
	if b.wants("R2") {
		add("flowgauge OTLP", b.flowgaugeSpans)
		add("OpenTelemetry Collector", func(ctx context.Context, dir string) (measure, error) { return b.otel(ctx, dir, otelDefaults) })
		add("OpenTelemetry Collector, tuned", func(ctx context.Context, dir string) (measure, error) { return b.otel(ctx, dir, otelTuned) })
	}
	if b.wants("R4") {
		add("flowgauge single events", b.flowgaugeSingles)
		for _, ms := range []int{10, 50, 200} {
			add(fmt.Sprintf("async insert, wait %d ms", ms), func(ctx context.Context, dir string) (measure, error) { return b.asyncInsert(ctx, dir, ms) })
		}
	}
	if b.wants("history") {
		add("flowgauge, history of 30 days", func(ctx context.Context, dir string) (measure, error) {
			return b.flowgauge(ctx, dir, false, "FLOWGAUGE_HISTORY__DAYS=30")
		})
	}
	if b.wants("plugins") {
		add("flowgauge, enricher compiled in", b.enricherInProcess)
		add("flowgauge, enricher as a plugin", b.enricherAsPlugin)
	}
	return out
}

func (b *ingest) bodies() []bodyMaker { return makers(b.templates) }

func makers[T bodyMaker](in []T) []bodyMaker {
	out := make([]bodyMaker, len(in))
	for i, t := range in {
		out[i] = t
	}
	return out
}

// most that may wait in the log before the generator pauses.
const mostWaiting = 600_000

// stored measures what Flowgauge stores of what a load sends it.
func (b *ingest) stored(ctx context.Context, f *flowgauge, l *load) (m measure, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var waiting atomic.Int64
	go func() {
		for ctx.Err() == nil {
			if n, err := f.pending(ctx); err == nil {
				waiting.Store(int64(n))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	l.hold = func() bool { return waiting.Load() > mostWaiting }
	sent := make(chan error, 1)
	go func() { sent <- l.run(ctx) }()
	select {
	case <-time.After(b.warmup):
	case err := <-sent:
		return m, err
	}
	first := waiting.Load()
	m, err = during(ctx, b.duration, []int{f.cmd.Process.Pid}, func() (float64, error) { return f.stored(ctx) })
	m.lag = fmt.Sprintf("%d waiting before, %d after", first, waiting.Load())
	cancel()
	return m, errors.Join(err, <-sent)
}

func (b *ingest) flowgauge(ctx context.Context, dir string, keepRows bool, settings ...string) (m measure, err error) {
	if b.config != "" {
		settings = append(settings, "--config="+b.config)
	}
	f, err := startFlowgauge(ctx, b.binary, dir, settings...)
	if err != nil {
		return m, err
	}
	defer f.stop()
	l := &load{url: f.url + "/api/v1/events", header: f.header("application/x-ndjson"), connections: 8, bodies: b.bodies(), events: eventsOfABody}
	if m, err = b.stored(ctx, f, l); err != nil || !keepRows || b.parts != nil {
		return m, err
	}
	d, err := f.database()
	if err != nil {
		return m, err
	}
	b.parts, err = dump(ctx, d, 4, 250_000)
	return m, err
}

// peer measures what a ClickHouse of its own does while work is going on.
func (b *ingest) peer(ctx context.Context, dir string, work func(ctx context.Context, d *database, done *atomic.Int64) error) (m measure, err error) {
	d, err := startDatabase(ctx, filepath.Join(dir, "clickhouse"))
	if err != nil {
		return m, err
	}
	defer d.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done atomic.Int64
	ended := make(chan error, 1)
	go func() { ended <- work(ctx, d, &done) }()
	select {
	case <-time.After(b.warmup):
	case err := <-ended:
		return m, err
	}
	m, err = during(ctx, b.duration, []int{d.pid()}, func() (float64, error) { return float64(done.Load()), nil })
	cancel()
	if ended := <-ended; ended != nil && !errors.Is(ended, context.Canceled) {
		err = errors.Join(err, ended)
	}
	return m, err
}

func (b *ingest) raw(ctx context.Context, dir string) (measure, error) {
	return b.peer(ctx, dir, func(ctx context.Context, d *database, done *atomic.Int64) error {
		return rawInsert(ctx, d, b.parts, done)
	})
}

func (b *ingest) json(ctx context.Context, dir string) (measure, error) {
	return b.peer(ctx, dir, func(ctx context.Context, d *database, done *atomic.Int64) error {
		return jsonInsert(ctx, d, b.bodies(), eventsOfABody, done)
	})
}

const singleConnections = 256

func (b *ingest) flowgaugeSingles(ctx context.Context, dir string) (m measure, err error) {
	f, err := startFlowgauge(ctx, b.binary, dir)
	if err != nil {
		return m, err
	}
	defer f.stop()
	ones, err := singles(b.templates[:20])
	if err != nil {
		return m, err
	}
	l := &load{url: f.url + "/api/v1/events", header: f.header("application/json"), connections: singleConnections, bodies: makers(ones), events: 1}
	return b.acknowledged(ctx, l, []int{f.cmd.Process.Pid})
}

func (b *ingest) asyncInsert(ctx context.Context, dir string, waitMS int) (m measure, err error) {
	d, err := startDatabase(ctx, filepath.Join(dir, "clickhouse"))
	if err != nil {
		return m, err
	}
	defer d.stop()
	if _, err := d.send(ctx, nil, wideTable); err != nil {
		return m, err
	}
	ones, err := singles(b.templates[:20])
	if err != nil {
		return m, err
	}
	l := &load{url: d.url(insertJSON, asyncSettings(waitMS)...), header: d.header(), connections: singleConnections, bodies: makers(ones), events: 1}
	return b.acknowledged(ctx, l, []int{d.pid()})
}

// acknowledged measures what is answered with success.
func (b *ingest) acknowledged(ctx context.Context, l *load, pids []int) (m measure, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- l.run(ctx) }()
	select {
	case <-time.After(b.warmup):
	case err := <-sent:
		return m, err
	}
	m, err = during(ctx, b.duration, pids, func() (float64, error) { return float64(l.accepted.Load()), nil })
	cancel()
	return m, errors.Join(err, <-sent)
}

func (b *ingest) flowgaugeSpans(ctx context.Context, dir string) (m measure, err error) {
	f, err := startFlowgauge(ctx, b.binary, dir)
	if err != nil {
		return m, err
	}
	defer f.stop()
	requests, err := newSpans(100, eventsOfABody)
	if err != nil {
		return m, err
	}
	l := &load{url: f.url + "/v1/traces", header: f.header("application/x-protobuf"), connections: 8, bodies: makers(requests), events: eventsOfABody}
	m, err = b.stored(ctx, f, l)
	m.events *= float64(spansOfATrace) / (spansOfATrace + 1) // a workflow's span becomes two events: its start and its end
	return m, err
}

func (b *ingest) otel(ctx context.Context, dir, queue string) (m measure, err error) {
	program, err := buildOtel(ctx, func(s string) { b.say("  %s", s) })
	if err != nil {
		return m, err
	}
	d, err := startDatabase(ctx, filepath.Join(dir, "clickhouse"))
	if err != nil {
		return m, err
	}
	defer d.stop()
	o, err := startOtel(ctx, program, filepath.Join(dir, "otel"), queue, d)
	if err != nil {
		return m, err
	}
	defer o.stop()
	requests, err := newSpans(100, eventsOfABody)
	if err != nil {
		return m, err
	}
	l := &load{url: o.url, header: map[string][]string{"Content-Type": {"application/x-protobuf"}}, connections: 8, bodies: makers(requests), events: eventsOfABody}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	count := func() (float64, error) { return d.number(ctx, "SELECT count() FROM otel_traces") }
	var stored atomic.Int64
	go func() {
		for ctx.Err() == nil {
			if n, err := count(); err == nil {
				stored.Store(int64(n))
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	l.hold = func() bool { return l.accepted.Load()-stored.Load() > mostWaiting }
	sent := make(chan error, 1)
	go func() { sent <- l.run(ctx) }()
	select {
	case <-time.After(b.warmup):
	case err := <-sent:
		return m, err
	}
	first := l.accepted.Load() - stored.Load()
	m, err = during(ctx, b.duration, []int{o.cmd.Process.Pid, d.pid()}, count)
	m.lag = fmt.Sprintf("%d waiting before, %d after", first, l.accepted.Load()-stored.Load())
	cancel()
	return m, errors.Join(err, <-sent)
}

func (b *ingest) say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
