package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/lease"
)

// Lease is the name of the lease of the process that moves the window.
const Lease = "history"

// Suffixes of the names of a raw table's two others.
const (
	Versions = "_history"
	Baseline = "_baseline"
)

// Tables are the raw tables of which every version is kept.
var Tables = []string{"executions", "steps", "costs", "activity"}

// Key lists the columns that identify an event in a raw table.
func Key(table string) string {
	if table == "executions" {
		return "tenant, time, id, phase"
	}
	return "tenant, time, id"
}

const (
	// DefaultGrace is longer than any question or insert takes.
	DefaultGrace = 10 * time.Minute
	// startGrace is longer than an insert takes that began before the views were there.
	startGrace = time.Minute
	// interval is the pause between two looks at the window.
	interval = time.Hour
	// retry is the pause after a failure.
	retry = time.Minute
)

// Remove is the number of days that removes a history. It is not 0, which a process has
// that was not told of the history: what is removed does not come back.
const Remove = -1

// Config says for how long history is kept.
type Config struct {
	Client *clickhouse.Client
	Days   int    // 0 leaves the history to others, Remove removes it
	Holder string // names this process among those that may do it
	Logger *slog.Logger
	Now    func() time.Time // nil is time.Now
	Grace  time.Duration    // DefaultGrace if 0; negative is none, for tests
}

// Keeper keeps the history of a database.
type Keeper struct {
	client       *clickhouse.Client
	days         int
	lease        *lease.Lease
	log          *slog.Logger
	now          func() time.Time
	grace, start time.Duration
}

// New returns a Keeper; it does nothing until Run.
func New(cfg Config) (*Keeper, error) {
	switch {
	case cfg.Client == nil:
		return nil, errors.New("history: no ClickHouse client")
	case cfg.Days < Remove:
		return nil, fmt.Errorf("history: the number of days is %d; it must be %d, which removes the history, or more", cfg.Days, Remove)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	k := &Keeper{client: cfg.Client, days: cfg.Days, log: cfg.Logger, now: cfg.Now, grace: cfg.Grace, start: startGrace}
	switch {
	case cfg.Grace == 0:
		k.grace = DefaultGrace
	case cfg.Grace < 0:
		k.grace, k.start = 0, 0
	}
	var err error
	if k.lease, err = lease.New(lease.Config{Client: cfg.Client, Name: Lease, Holder: cfg.Holder, Logger: cfg.Logger}); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return k, nil
}

// errRemoved ends Run when there is no history any more.
var errRemoved = errors.New("the history is removed")

// Run keeps the history until ctx ends, or removes it.
func (k *Keeper) Run(ctx context.Context) error {
	if k.days <= 0 && k.none(ctx) {
		return nil // and no lease is taken
	}
	if k.days == 0 {
		k.log.WarnContext(ctx, "a history of events is kept that this process does not look after: set history.days to the number of days here too, or to -1 to remove it")
		return nil
	}
	err := k.lease.Run(ctx, func(ctx context.Context, _ *lease.Term) error {
		for {
			s, err := k.Advance(ctx)
			pause := interval
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				pause = retry
				k.log.WarnContext(ctx, "keep the history of events", "error", err, "retry_in", pause)
			case s.Phase == Starting:
				pause = k.start + time.Second
			case k.days == Remove:
				return errRemoved
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
		}
	})
	if errors.Is(err, errRemoved) {
		return nil
	}
	return err
}

// none reports whether there is no history, nor anything left of one.
func (k *Keeper) none(ctx context.Context) bool {
	s, err := Read(ctx, k.client)
	if err != nil || s.Phase != Off {
		return false
	}
	there, err := k.existing(ctx)
	return err == nil && len(there) == 0
}

// Advance takes the next step, if it is time for one, and returns where the history
// stands then. Run does this; only one process may at a time.
func (k *Keeper) Advance(ctx context.Context) (State, error) {
	s, err := Read(ctx, k.client)
	if err != nil {
		return s, err
	}
	switch {
	case k.days == 0:
		return s, nil
	case k.days == Remove:
		return k.switchOff(ctx, s)
	case s.Phase == Off:
		return k.begin(ctx, s)
	case s.Phase == Starting:
		return k.finish(ctx, s)
	}
	if err := k.views(ctx); err != nil {
		return s, err
	}
	return k.move(ctx, s)
}
