package simulate

import (
	"context"
	"time"
)

// Sink takes what has happened. It is called by one goroutine; what it is given
// is its own. A Sink that waits delays what follows, and nothing gets lost by it.
type Sink func(ctx context.Context, c Chunk) error

// LiveConfig says how to go on in real time.
type LiveConfig struct {
	// From is where History ended; what happened between then and now comes
	// first. The zero time is now.
	From time.Time
	// Rate multiplies what starts from From on; 0 is 1. Each whole one beyond
	// the first is another copy of the platform, with ids of its own; below 1
	// some of what there would be is left out.
	Rate float64
	// Tick is how often events are told; 0 is DefaultTick.
	Tick time.Duration
	Sink Sink
}

// DefaultTick is how long an event waits at most.
const DefaultTick = 250 * time.Millisecond

// MaxRate is the highest LiveConfig.Rate.
const MaxRate = 64

// Live tells events when they happen, until ctx ends, which is no error, or the
// Sink fails.
func (p *Platform) Live(ctx context.Context, c LiveConfig) error {
	at := c.From.UnixMilli()
	if c.From.IsZero() {
		at = time.Now().UnixMilli()
	}
	if c.Rate > 0 {
		p = p.boosted(time.UnixMilli(at), min(c.Rate, MaxRate))
	}
	if c.Tick <= 0 {
		c.Tick = DefaultTick
	}
	s := p.stream(at)
	tick := time.NewTicker(c.Tick)
	defer tick.Stop()
	for ctx.Err() == nil {
		now := time.Now().UnixMilli()
		// A long gap is caught up hour by hour, to bound the memory.
		if next := min(now, floor(at, hourMS)+hourMS); next > at {
			chunk := Chunk{From: time.UnixMilli(at).UTC(), To: time.UnixMilli(next).UTC()}
			chunk.Body, chunk.Events = s.take(next, nil)
			at = next
			if err := c.Sink(ctx, chunk); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			if at < now {
				continue
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}
