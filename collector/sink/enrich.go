package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/enrich"
)

// Enrich passes events through plugins before they are stored; enrich.Chain does.
type Enrich interface {
	// Enrich changes the events and says what becomes of each. It waits for as long as it
	// takes, and returns an error only when ctx ends.
	Enrich(ctx context.Context, events []event.Event) ([]enrich.Result, error)
	// Err is why it waits, nil if it does not.
	Err() error
}

// An arrival is a record of the log with what plugins have made of its event.
type arrival struct {
	queue.Record
	event  *event.Event // nil: it did not pass any
	source string       // of the event, before plugins
	result enrich.Result
}

// enrichAhead is how many chunks of records pass the plugins at once.
const enrichAhead = 4

// A chunk is some records on their way through the plugins.
type chunk struct {
	arrivals []arrival
	done     chan error
}

// enrich begins to pass records through the plugins.
func (s *Sink) enrich(ctx context.Context, records []queue.Record) (*chunk, error) {
	c := &chunk{arrivals: make([]arrival, len(records)), done: make(chan error, 1)}
	events := make([]event.Event, 0, len(records))
	at := make([]int, 0, len(records))
	for i, r := range records {
		c.arrivals[i].Record = r
		if s.cfg.Enrich == nil || event.RecordType(r.Data) != event.RecordEvent {
			continue
		}
		events = append(events, event.Event{})
		if err := event.DecodeBinary(r.Data, &events[len(events)-1]); err != nil {
			return nil, fmt.Errorf("decode record %d: %w", r.Version, err)
		}
		c.arrivals[i].source = events[len(events)-1].Source
		at = append(at, i)
	}
	if len(events) == 0 {
		c.done <- nil
		return c, nil
	}
	go func() {
		results, err := s.cfg.Enrich.Enrich(ctx, events)
		if err == nil {
			for i, result := range results {
				c.arrivals[at[i]].event, c.arrivals[at[i]].result = &events[i], result
			}
		}
		c.done <- err
	}()
	return c, nil
}

// await returns when events have passed the plugins. While it waits, others may want their
// records.
func (s *Sink) await(ctx context.Context, done <-chan error) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if s.shared != nil && s.shared.Wanted() {
				return errWanted
			}
		}
	}
}
