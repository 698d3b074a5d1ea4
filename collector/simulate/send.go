package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/flowgauge/flowgauge/collector/client"
	"github.com/flowgauge/flowgauge/collector/client/progress"
)

// part is what one request carries. Everything before upTo is in it and in those
// before it.
type part struct {
	body   []byte
	events int
	upTo   time.Time
}

// pack fills requests with chunks, across their borders.
func pack(chunks iter.Seq[Chunk], maxEvents, maxBytes int, yield func(part) bool) {
	held := part{}
	for c := range chunks {
		if held.upTo.IsZero() {
			held.upTo = c.From
		}
		for len(c.Body) > 0 {
			size, n := front(c.Body, maxEvents-held.events, maxBytes-len(held.body))
			if n == 0 && held.events == 0 {
				size, n = front(c.Body, 1, len(c.Body)) // too long to share a request
			}
			held.body, held.events = append(held.body, c.Body[:size]...), held.events+n
			if c.Body = c.Body[size:]; len(c.Body) == 0 {
				break
			}
			if !yield(held) {
				return
			}
			held = part{upTo: held.upTo, body: make([]byte, 0, len(held.body))}
		}
		held.upTo = c.To
	}
	if held.events > 0 {
		yield(held)
	}
}

// runner sends parts and keeps the position.
type runner struct {
	config    RunConfig
	platform  uint64
	position  position
	saved     time.Time
	report    Report
	meter     *progress.Meter
	meterFrom time.Time
}

type flight struct {
	part
	receipt client.Receipt
	err     error
	done    chan struct{}
}

// send sends parts, several at once, and commits them in order.
func (r *runner) send(ctx context.Context, parts iter.Seq[part]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan *flight, r.config.InFlight-1)
	go func() {
		defer close(queue)
		for p := range parts {
			f := &flight{part: p, done: make(chan struct{})}
			select {
			case <-ctx.Done():
				return
			case queue <- f:
			}
			go func() {
				defer close(f.done)
				f.receipt, f.err = r.config.Client.Send(ctx, f.body, f.events)
			}()
		}
	}()
	var failure error
	for f := range queue {
		<-f.done
		if failure != nil {
			continue
		}
		if failure = f.err; failure == nil {
			failure = r.commit(f.part, f.receipt)
		}
		if failure != nil {
			cancel(errors.New("another request failed"))
		}
	}
	if failure == nil && ctx.Err() != nil {
		failure = context.Cause(ctx)
	}
	return failure
}

// commit accounts for the next part.
func (r *runner) commit(p part, receipt client.Receipt) error {
	r.report.Accepted += int64(receipt.Accepted)
	r.report.Duplicates += int64(receipt.Duplicates)
	for i, e := range receipt.Errors {
		if r.report.Failed += 1; r.report.Failed <= 3 {
			r.meter.Note("event %s is rejected: %s (%s)", e.ID, e.Message, receipt.Errors[i].Code)
		}
	}
	r.position.To, r.report.To = p.upTo, p.upTo
	r.meter.Set(p.upTo.Sub(r.meterFrom).Milliseconds(), int64(p.events))
	return r.save(false)
}

// position is what is acknowledged.
type position struct {
	Platform uint64    `json:"platform"`
	Target   string    `json:"target"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	LiveFrom time.Time `json:"live_from"` // since when Rate counts
	Rate     float64   `json:"rate"`
}

// begin sets the position: the saved one, when it is of this platform and target
// and the wanted history begins in it; else from.
func (r *runner) begin(from, now time.Time) {
	wanted := position{Platform: r.platform, Target: r.config.Target, From: from, To: from, Rate: r.config.Rate}
	r.position = wanted
	data, err := os.ReadFile(r.config.StateFile)
	if err != nil {
		return
	}
	var saved position
	if json.Unmarshal(data, &saved) != nil || saved.Platform != wanted.Platform || saved.Target != wanted.Target {
		return
	}
	if saved.From.After(from) || saved.To.Before(from) || saved.To.After(now) {
		return
	}
	if saved.Rate != wanted.Rate {
		saved.Rate, saved.LiveFrom = wanted.Rate, time.Time{}
	}
	r.position = saved
}

// save writes the position, at most once a second unless it must.
func (r *runner) save(must bool) error {
	if r.config.StateFile == "" || (!must && time.Since(r.saved) < time.Second) {
		return nil
	}
	r.saved = time.Now()
	data, err := json.Marshal(r.position)
	if err != nil {
		return fmt.Errorf("encode position: %w", err)
	}
	path := r.config.StateFile
	if err := os.WriteFile(path+".new", data, 0o600); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("create state folder: %w", err)
		}
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			return fmt.Errorf("write position: %w", err)
		}
	} else if err != nil {
		return fmt.Errorf("write position: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace position: %w", err)
	}
	return nil
}
