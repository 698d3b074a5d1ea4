package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flowgauge/flowgauge/collector/client"
	"github.com/flowgauge/flowgauge/collector/client/progress"
)

// The defaults of RunConfig.
const (
	DefaultInFlight    = 4
	DefaultBatchEvents = 1000
	DefaultBatchBytes  = 1 << 20
)

// Sender takes n events as NDJSON and says what became of them. It may be called
// by several goroutines, and retries what is worth it. *client.Client is one.
type Sender interface {
	Send(ctx context.Context, body []byte, n int) (client.Receipt, error)
}

// RunConfig says what to send where.
type RunConfig struct {
	Platform Config
	Client   Sender
	// Target names where events go, as client.Client.Target does: a position
	// saved for another one is not used.
	Target string
	// StateFile keeps the moment up to which everything was sent, so that
	// another run goes on from it; "" keeps none.
	StateFile string
	// History is how far back to begin; 0 begins now.
	History time.Duration
	// Live goes on in real time, until ctx ends.
	Live bool
	Rate float64 // of what starts in Live; 0 is 1
	Tick time.Duration
	// InFlight is the number of requests at once.
	InFlight                int
	BatchEvents, BatchBytes int
	// Progress gets a bar or lines of progress of the history, LiveProgress of
	// what comes after; nil gets nothing.
	Progress, LiveProgress io.Writer
}

// Validate says what is wrong with c.
func (c RunConfig) Validate() error {
	switch {
	case c.Client == nil:
		return errors.New("no client to send with")
	case c.History < 0:
		return fmt.Errorf("history of %s: want 0 or more", c.History)
	case c.History == 0 && !c.Live:
		return errors.New("nothing to send: want a history, live events or both")
	case c.Rate < 0 || c.Rate > MaxRate:
		return fmt.Errorf("rate %g: want 0 to %d", c.Rate, MaxRate)
	case c.InFlight < 0 || c.BatchEvents < 0 || c.BatchBytes < 0:
		return errors.New("negative batch size or requests in flight")
	}
	return c.Platform.Validate()
}

func (c RunConfig) withDefaults() RunConfig {
	if c.InFlight == 0 {
		c.InFlight = DefaultInFlight
	}
	if c.BatchEvents == 0 {
		c.BatchEvents = DefaultBatchEvents
	}
	if c.Rate == 0 {
		c.Rate = 1
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = DefaultBatchBytes
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	if c.LiveProgress == nil {
		c.LiveProgress = io.Discard
	}
	return c
}

// Report is what a run sent.
type Report struct {
	From, To                     time.Time // everything in between is acknowledged
	Accepted, Duplicates, Failed int64     // failed are rejected by the collector
	Elapsed                      time.Duration
}

// String tells the outcome in a line.
func (r Report) String() string {
	text := fmt.Sprintf("%s to %s: %s", r.From.Format(time.DateTime), r.To.Format(time.DateTime), progress.Rate(r.Accepted, r.Elapsed))
	if r.Failed > 0 {
		text += ", " + progress.Count(r.Failed) + " rejected"
	}
	return text
}

// Run sends a platform's history up to now, as fast as the collector takes it, and
// then what happens. A run that was interrupted may simply be repeated: what was
// sent before counts once. With a StateFile it goes on where it stopped, and
// fills the gap since. The end of ctx is an error in the history, and none live.
func Run(ctx context.Context, c RunConfig) (Report, error) {
	if err := c.Validate(); err != nil {
		return Report{}, err
	}
	c = c.withDefaults()
	p, err := New(c.Platform)
	if err != nil {
		return Report{}, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	from := now
	if c.History > 0 {
		// Whole hours, so that runs of one hour have the same beginning.
		from = now.Add(-c.History).Truncate(time.Hour)
	}
	r := &runner{config: c, platform: p.seed}
	r.begin(from, now)
	p = p.Starting(r.position.From)
	if !r.position.LiveFrom.IsZero() {
		p = p.boosted(r.position.LiveFrom, c.Rate)
	}
	r.report = Report{From: r.position.From, To: r.position.To}
	start := time.Now()
	err = r.history(ctx, p, now)
	if err == nil && c.Live {
		err = r.live(ctx, p)
	}
	r.report.Elapsed = time.Since(start)
	return r.report, errors.Join(err, r.save(true))
}

// history sends what is between the position and a moment.
func (r *runner) history(ctx context.Context, p *Platform, to time.Time) error {
	from := r.position.To
	r.meter = progress.New(r.config.Progress, "simulate history", 0, to.Sub(from).Milliseconds())
	defer r.meter.Close()
	r.meterFrom = from
	err := r.send(ctx, func(yield func(part) bool) {
		pack(p.History(from, to), r.config.BatchEvents, r.config.BatchBytes, yield)
	})
	if err != nil {
		return fmt.Errorf("send history, which is acknowledged up to %s (run it again to go on, nothing counts twice): %w",
			r.position.To.Format(time.DateTime), err)
	}
	return r.commit(part{upTo: to}, client.Receipt{})
}

// live sends what happens from the position on.
func (r *runner) live(ctx context.Context, p *Platform) error {
	r.meter = progress.New(r.config.LiveProgress, "simulate live", 0, progress.Unknown)
	defer r.meter.Close()
	r.meterFrom = r.position.To
	if r.position.LiveFrom.IsZero() {
		r.position.LiveFrom = r.position.To
		p = p.boosted(r.position.To, r.config.Rate)
	}
	err := p.Live(ctx, LiveConfig{
		From: r.position.To, Tick: r.config.Tick,
		Sink: func(ctx context.Context, c Chunk) error {
			err := r.send(ctx, func(yield func(part) bool) {
				pack(func(y func(Chunk) bool) { y(c) }, r.config.BatchEvents, r.config.BatchBytes, yield)
			})
			if err != nil {
				return err
			}
			return r.commit(part{upTo: c.To}, client.Receipt{})
		},
	})
	if err != nil {
		return fmt.Errorf("send live events, which are acknowledged up to %s: %w", r.position.To.Format(time.DateTime), err)
	}
	return nil
}
