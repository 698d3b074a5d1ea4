// Package sink moves accepted events from the log into ClickHouse.
//
//	fetch -> plugins -> columns -> gather fragments -> mark minutes -> insert -> count -> mark again -> commit
//
// Each step may fail or be cut off by a crash; then the batch comes out of the
// log again and is stored again, which changes nothing, because the raw tables
// replace a row by its identity. The log forgets a batch only after ClickHouse
// has acknowledged it, and the tables are set to acknowledge after fsync.
//
// # Side by side
//
// While one batch is being stored the next is fetched and decoded (pipe.go), if the log
// can commit them one after the other. Batches are stored in the order of the log.
//
// # What cannot be stored
//
// As long as ClickHouse is away, busy, read-only or set up wrongly, the batch is
// repeated; nothing is given up. A batch that is too much for it, or in which it will
// never take a row, is halved (divide.go), so that one event does not hold up all
// others. An event that is refused on its own account is kept as a dead letter with
// the code store_failed and all that was sent.
//
// # A log that is shared
//
// When others wait for the records of a batch that cannot be stored, it is given back
// to the log, and comes again to whoever has its partitions then.
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

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	tracing "github.com/flowgauge/flowgauge/backend/telemetry/span"
	"github.com/flowgauge/flowgauge/collector/gather"
)

// Database is what a sink needs of clickhouse.Client.
type Database interface {
	Do(ctx context.Context, q clickhouse.Query) error
	Insert(ctx context.Context, table string, blocks ...proto.Input) error
}

// Config says where events come from and where they go.
type Config struct {
	Consumer   queue.Consumer
	Client     Database
	Log        string             // names the log that the consumer reads, among those of all collectors; "log" if empty
	BatchSize  int                // most records of one insert; 0 is 250,000
	Linger     time.Duration      // how long a batch waits to fill; 0 is one second
	OnStored   func()             // called after each batch, e.g. to wake the roller
	Price      func(*event.Event) // fills in a cost's dollars where none were sent; nil leaves them 0
	Enrich     Enrich             // passes events through plugins; nil if there are none
	Gather     Gather             // makes rows of fragments; nil is a gather.Gatherer
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Tracer     tracing.Tracer // none if nil
}

// Sink is run by one goroutine.
type Sink struct {
	cfg     Config
	ahead   queue.Ahead  // the consumer, if it can commit in parts
	shared  queue.Shared // the consumer, if its records may become another's
	batches []*batch
	// refusals are the records in a row that ClickHouse would not take.
	refusals int
	room     atomic.Int64 // how many records a batch may have for the time being
	metrics  metrics
	failing  atomic.Pointer[string]
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
		cfg.BatchSize = 250_000
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
	s := &Sink{cfg: cfg, metrics: m, batches: []*batch{newBatch(cfg.Log, cfg.Price)}}
	s.room.Store(int64(cfg.BatchSize))
	s.shared, _ = cfg.Consumer.(queue.Shared)
	if ahead, ok := cfg.Consumer.(queue.Ahead); ok {
		s.ahead = ahead
		s.batches = append(s.batches, newBatch(cfg.Log, cfg.Price))
	}
	return s, nil
}

// Err returns why the last attempt to store failed, nil when it did not.
func (s *Sink) Err() error {
	if msg := s.failing.Load(); msg != nil {
		return errors.New(*msg)
	}
	if s.cfg.Enrich != nil {
		return s.cfg.Enrich.Err()
	}
	return nil
}

// Run stores batches until ctx ends. It returns an error only when the log
// cannot be read on; ClickHouse may be away for as long as it likes.
func (s *Sink) Run(ctx context.Context) error {
	for {
		err := s.pipe(ctx)
		for _, b := range s.batches {
			b.reset()
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errWanted):
			s.cfg.Logger.InfoContext(ctx, "what was fetched is given back to the log: others wait for it")
			s.shared.Release()
			s.failing.Store(nil)
		default:
			return fmt.Errorf("sink: %w", err)
		}
	}
}
