// Package sink moves accepted events from the log into ClickHouse.
//
//	fetch -> columns -> gather fragments -> mark minutes -> insert -> count -> mark again -> commit
//
// Each step may fail or be cut off by a crash; then the batch comes out of the
// log again and is stored again, which changes nothing, because the raw tables
// replace a row by its identity. The log forgets a batch only after ClickHouse
// has acknowledged it, and the tables are set to acknowledge after fsync.
package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/rollup"
	tracing "github.com/flowgauge/flowgauge/backend/telemetry/span"
	"github.com/flowgauge/flowgauge/collector/gather"
)

// Database is what a sink needs of clickhouse.Client.
type Database interface {
	Do(ctx context.Context, q clickhouse.Query) error
	Insert(ctx context.Context, table string, input proto.Input) error
}

// Config says where events come from and where they go.
type Config struct {
	Consumer   queue.Consumer
	Client     Database
	Log        string             // names the log that the consumer reads, among those of all collectors; "log" if empty
	BatchSize  int                // most records of one insert; 0 is 100,000
	Linger     time.Duration      // how long a batch waits to fill; 0 is one second
	OnStored   func()             // called after each batch, e.g. to wake the roller
	Price      func(*event.Event) // fills in a cost's dollars where none were sent; nil leaves them 0
	Gather     Gather             // makes rows of fragments; nil is a gather.Gatherer
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Tracer     tracing.Tracer // none if nil
}

// Sink is run by one goroutine.
type Sink struct {
	cfg     Config
	batch   *batch
	metrics metrics
	failing atomic.Pointer[string]
}

// New returns a Sink.
func New(cfg Config) (*Sink, error) {
	if cfg.Consumer == nil || cfg.Client == nil {
		return nil, errors.New("sink: it needs a consumer of the log and a ClickHouse client")
	}
	if cfg.Log == "" {
		cfg.Log = "log"
	}
	if cfg.BatchSize == 0 {
		cfg.BatchSize = 100_000
	}
	if cfg.Linger == 0 {
		cfg.Linger = time.Second
	}
	if cfg.OnStored == nil {
		cfg.OnStored = func() {}
	}
	if cfg.Price == nil {
		cfg.Price = func(*event.Event) {}
	}
	if cfg.Gather == nil {
		client, _ := cfg.Client.(*clickhouse.Client)
		g, err := gather.New(client)
		if err != nil {
			return nil, fmt.Errorf("sink: %w", err)
		}
		cfg.Gather = g
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	return &Sink{cfg: cfg, batch: newBatch(cfg.Log, cfg.Price), metrics: m}, nil
}

// Err returns why the last attempt to store failed, nil when it did not.
func (s *Sink) Err() error {
	if msg := s.failing.Load(); msg != nil {
		return errors.New(*msg)
	}
	return nil
}

// Run stores batches until ctx ends. It returns an error only when the log
// cannot be read on; ClickHouse may be away for as long as it likes.
func (s *Sink) Run(ctx context.Context) error {
	for {
		if err := s.fill(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("sink: %w", err)
		}
		if s.batch.events == 0 {
			return nil
		}
		if err := s.storeUntilDone(ctx); err != nil {
			return nil // ctx ended; the log still has the batch
		}
		if err := s.cfg.Consumer.Commit(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("sink: commit the log: %w", err)
		}
		s.metrics.events.Add(float64(s.batch.events))
		s.batch.reset()
		s.cfg.OnStored()
	}
}

// A batch is bounded in bytes too: ClickHouse takes no block that compresses to
// more than 1 GiB, and events may carry long messages and metadata.
const (
	batchBytes = 64 << 20
	fetchSize  = 2000
)

// fill fetches until the batch is full or has lingered.
func (s *Sink) fill(ctx context.Context) error {
	var deadline context.Context
	var cancel context.CancelFunc
	for s.batch.events < s.cfg.BatchSize && s.batch.bytes < batchBytes {
		wait := ctx
		if deadline != nil {
			wait = deadline
		}
		records, err := s.cfg.Consumer.Fetch(wait, min(fetchSize, s.cfg.BatchSize-s.batch.events))
		if err != nil && wait.Err() == nil {
			return err
		}
		if len(records) == 0 {
			break
		}
		if deadline == nil {
			deadline, cancel = context.WithTimeout(ctx, s.cfg.Linger)
			defer cancel()
		}
		for _, r := range records {
			if err := s.batch.add(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// storeUntilDone repeats the batch with growing pauses until it is stored. It
// never gives up on an event: what cannot be stored now is stored when somebody
// has mended the reason, which the log and /readyz name.
func (s *Sink) storeUntilDone(ctx context.Context) error {
	const longest = 30 * time.Second
	pause := 100 * time.Millisecond
	for {
		began := time.Now()
		traced, batch := tracing.Start(ctx, s.cfg.Tracer, "store batch")
		batch.Count("flowgauge.records", s.batch.events)
		err := s.store(traced)
		batch.End(err)
		if err == nil {
			s.metrics.duration.Observe(time.Since(began).Seconds())
			s.failing.Store(nil)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		msg := err.Error()
		s.failing.Store(&msg)
		s.metrics.failures.Inc()
		s.cfg.Logger.ErrorContext(traced, "store a batch", "events", s.batch.events, "error", err, "retry_in", pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
}

func (s *Sink) store(ctx context.Context) error {
	if err := s.gather(ctx, s.batch); err != nil {
		return err
	}
	if err := s.bringBack(ctx, s.batch); err != nil {
		return err
	}
	marks := s.batch.markInput()
	if err := s.mark(ctx, marks); err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	for _, t := range s.batch.tables {
		group.Go(func() error { return s.insert(gctx, t.name, t.input) })
	}
	group.Go(func() error { return s.insert(gctx, "dead_letters", s.batch.dead.input) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := s.count(ctx); err != nil {
		return err
	}
	return s.mark(ctx, marks)
}

func (s *Sink) mark(ctx context.Context, marks proto.Input) error {
	if len(s.batch.marks) == 0 {
		return nil
	}
	return rollup.InsertMarks(ctx, s.cfg.Client, marks)
}

func (s *Sink) insert(ctx context.Context, table string, input proto.Input) error {
	if len(input) == 0 || input[0].Data.Rows() == 0 {
		return nil
	}
	ctx, insert := tracing.Start(ctx, s.cfg.Tracer, "insert")
	insert.Text("flowgauge.table", table)
	insert.Count("flowgauge.rows", input[0].Data.Rows())
	err := s.cfg.Client.Insert(ctx, table, input)
	insert.End(err)
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	return nil
}
