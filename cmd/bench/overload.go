package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// strain measures what happens when there is more than can be stored: memory, and
// how fast a backlog is worked off.
type strain struct {
	binary   string
	duration time.Duration
	awake    float64
	rate     int
	outage   time.Duration
}

func newOverload() *cobra.Command {
	s := &strain{}
	cmd := &cobra.Command{
		Use:   "overload",
		Short: "Memory while far more is offered than can be stored",
		Long: `Offers events as fast as 64 connections can while the log may hold 256 MiB only, so that most are refused, and
prints every ten seconds what was offered and stored and how much memory the collector and ClickHouse have. Sender
and database share the processors, so that not much more can be offered than can be stored; --awake stops ClickHouse for
the rest of every second, as if it were that much slower.`,
		Example: "  go run ./cmd/bench overload --duration 10m --awake 0.25",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.overload(cmd.Context()) },
	}
	cmd.Flags().StringVar(&s.binary, "binary", "bin/flowgauge", "the built program")
	cmd.Flags().DurationVar(&s.duration, "duration", 10*time.Minute, "how long")
	cmd.Flags().Float64Var(&s.awake, "awake", 1, "share of each second in which ClickHouse may run, above 0 and up to 1")
	return cmd
}

func newOutage() *cobra.Command {
	s := &strain{}
	cmd := &cobra.Command{
		Use:   "outage",
		Short: "How fast a backlog is stored after ClickHouse was away, while events go on coming",
		Long: `Sends events at a steady rate, stops ClickHouse for a while, lets it go on, and measures how fast the log
is worked off while events come in at the same rate.`,
		Example: "  go run ./cmd/bench outage --rate 20000 --outage 60s",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.away(cmd.Context()) },
	}
	cmd.Flags().StringVar(&s.binary, "binary", "bin/flowgauge", "the built program")
	cmd.Flags().IntVar(&s.rate, "rate", 20_000, "events per second that come in all the time")
	cmd.Flags().DurationVar(&s.outage, "outage", time.Minute, "how long ClickHouse is away")
	return cmd
}

func (s *strain) start(ctx context.Context, settings ...string) (*flowgauge, *load, func(), error) {
	dir, err := os.MkdirTemp("", "flowgauge-bench-*")
	if err != nil {
		return nil, nil, nil, err
	}
	f, err := startFlowgauge(ctx, s.binary, dir, settings...)
	if err != nil {
		return nil, nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	end := func() {
		f.stop()
		_ = os.RemoveAll(dir)
	}
	templates, err := newTemplates(100_000, eventsOfABody)
	if err != nil {
		end()
		return nil, nil, nil, err
	}
	l := &load{url: f.url + "/api/v1/events", header: f.header("application/x-ndjson"), bodies: makers(templates), events: eventsOfABody}
	return f, l, end, nil
}

func (s *strain) overload(ctx context.Context) error {
	if !(s.awake > 0 && s.awake <= 1) {
		return fmt.Errorf("--awake %g: must be above 0 and at most 1", s.awake)
	}
	f, l, end, err := s.start(ctx, "FLOWGAUGE_WAL__MAX_BYTES="+strconv.Itoa(256<<20))
	if err != nil {
		return err
	}
	defer end()
	l.connections, l.impatient = 64, true
	ctx, cancel := context.WithTimeout(ctx, s.duration)
	defer cancel()
	clickhouse, err := f.clickhouse()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.run(ctx) })
	group.Go(func() error { return slow(ctx, clickhouse, s.awake) })
	group.Go(func() error { return watch(ctx, f, l) })
	return group.Wait()
}

// watch prints what came of the load and what memory it took.
func watch(ctx context.Context, f *flowgauge, l *load) error {
	fmt.Printf("%8s %12s %12s %12s %14s %14s\n", "seconds", "offered /s", "accepted /s", "stored /s", "collector MiB", "ClickHouse MiB")
	var offered, accepted, stored float64
	for began, last := time.Now(), time.Now(); ; last = time.Now() {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Second):
		}
		nowAccepted := float64(l.accepted.Load())
		nowOffered := nowAccepted + float64(l.refused.Load()*int64(l.events))
		nowStored, err := f.stored(ctx)
		if err != nil {
			return err
		}
		collector, clickhouse, err := f.memory()
		if err != nil {
			return err
		}
		over := time.Since(last).Seconds()
		fmt.Printf("%8.0f %12.0f %12.0f %12.0f %14d %14d\n", time.Since(began).Seconds(),
			(nowOffered-offered)/over, (nowAccepted-accepted)/over, (nowStored-stored)/over, collector>>20, clickhouse>>20)
		offered, accepted, stored = nowOffered, nowAccepted, nowStored
	}
}

// slow lets a process run for a share of each second, until ctx ends.
func slow(ctx context.Context, pid int, awake float64) error {
	if awake == 1 {
		return nil
	}
	on := time.Duration(awake * float64(time.Second))
	for {
		for _, part := range []struct {
			signal syscall.Signal
			wait   time.Duration
		}{{syscall.SIGSTOP, time.Second - on}, {syscall.SIGCONT, on}} {
			if err := syscall.Kill(pid, part.signal); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return syscall.Kill(pid, syscall.SIGCONT)
			case <-time.After(part.wait):
			}
		}
	}
}

// clickhouse is the process that it keeps its data with.
func (f *flowgauge) clickhouse() (int, error) {
	children := childrenOf(f.cmd.Process.Pid)
	if len(children) != 1 {
		return 0, fmt.Errorf("flowgauge has %d children, ClickHouse should be the only one", len(children))
	}
	return children[0], nil
}

func (s *strain) away(ctx context.Context) error {
	f, l, end, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	l.connections = 8
	l.hold = func() bool { // paced: never ahead of the clock
		return float64(l.accepted.Load()) > time.Since(began).Seconds()*float64(s.rate)
	}
	sent := make(chan error, 1)
	go func() { sent <- l.run(ctx) }()
	time.Sleep(10 * time.Second)
	clickhouse, err := f.clickhouse()
	if err != nil {
		return err
	}
	if err := syscall.Kill(clickhouse, syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(s.outage)
	if err := syscall.Kill(clickhouse, syscall.SIGCONT); err != nil {
		return err
	}
	waiting, err := f.pending(ctx)
	if err != nil {
		return err
	}
	before, err := f.stored(ctx)
	if err != nil {
		return err
	}
	back := time.Now()
	for {
		n, err := f.pending(ctx)
		if err != nil {
			return err
		}
		if n < float64(2*s.rate) { // what is always under way
			break
		}
		select {
		case err := <-sent:
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
	took := time.Since(back).Seconds()
	after, err := f.stored(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%.0f events waited after %s; the log was worked off in %.1f s at %.0f events/s, %.1f times the %d that came in per second meanwhile\n",
		waiting, s.outage, took, (after-before)/took, (after-before)/took/float64(s.rate), s.rate)
	cancel()
	return <-sent
}

// memory is what the collector and its ClickHouse have resident.
func (f *flowgauge) memory() (collector, clickhouse int64, err error) {
	if collector, err = residentOf(f.cmd.Process.Pid); err != nil {
		return 0, 0, err
	}
	for _, child := range childrenOf(f.cmd.Process.Pid) {
		n, err := residentOf(child)
		if err != nil {
			return 0, 0, err
		}
		clickhouse += n
	}
	return collector, clickhouse, nil
}

func residentOf(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
