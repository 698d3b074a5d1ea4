package export

import (
	"context"
	"errors"
	"fmt"
	"time"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"

	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// settling is how long the record of a delivery may take, also when the process ends.
	settling = 10 * time.Second
)

// worker delivers the periods of one export, so that none waits for another.
type worker struct {
	*Sender
	of    *Export
	until time.Time // what lies before is delivered; zero is not known yet
	look  time.Time // before it no delivered period is asked about again; zero is not known yet
}

// A period is what a question is asked about.
type period struct{ from, to time.Time }

func (w *worker) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		done, err := w.next(ctx)
		w.trouble.Note(ctx, w.of.Name, "export", err, "export", w.of.Name, "tenant", w.of.Tenant)
		wait := w.cfg.Interval
		switch {
		case err != nil && host.FailureOf(err) == host.Down:
			wait = firstPause // It costs nothing to see whether it is up, and it may be another export that takes it down.
		case err != nil:
			wait, pause = pause, min(2*pause, longestPause)
		case done:
			wait, pause = 0, firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// next delivers a period, if there is one whose time has come. If there is none, it asks again
// about one that was delivered.
func (w *worker) next(ctx context.Context) (done bool, err error) {
	if w.until.IsZero() {
		if w.until, err = w.begin(ctx); err != nil {
			return false, err
		}
		w.metrics.until.WithLabelValues(w.of.Name).Set(float64(w.until.Unix()))
	}
	// Where the length of periods has changed, more is delivered again rather than less.
	p := period{from: w.until.Truncate(w.of.Every)}
	p.to = p.from.Add(w.of.Every)
	if w.cfg.Now().Before(p.to.Add(w.of.Delay)) {
		return w.again(ctx)
	}
	outcome, err := w.deliver(ctx, p)
	if err := w.note(ctx, p, outcome, err); err != nil {
		return false, err
	}
	w.until = p.to
	w.metrics.until.WithLabelValues(w.of.Name).Set(float64(p.to.Unix()))
	return true, nil
}

// note counts what became of an attempt, and says whose error it is.
func (w *worker) note(ctx context.Context, p period, outcome string, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	w.metrics.outcomes.WithLabelValues(w.of.Name, outcome).Inc()
	if err != nil {
		return fmt.Errorf("period from %s: %w", p.from.UTC().Format(time.RFC3339), err)
	}
	return nil
}

// begin finds where the export was, or where it begins, which is recorded too: a process that
// starts again while nothing is delivered begins there as well.
func (w *worker) begin(ctx context.Context) (time.Time, error) {
	until, known, err := w.store.until(ctx, w.of.Tenant, w.of.Name)
	if err != nil || known {
		return until, err
	}
	first := w.of.Since
	if first.IsZero() {
		first = w.cfg.Now()
	}
	first = first.UTC().Truncate(w.of.Every)
	return first, w.store.put(ctx, w.of.Tenant, w.of.Name, first)
}

// deliver asks about a period and hands the answer over, all of it.
func (w *worker) deliver(ctx context.Context, p period) (outcome string, err error) {
	if err := w.of.To.Err(); err != nil { // nobody need be asked
		return string(host.FailureOf(err)), err
	}
	asked := w.cfg.Now()
	a, err := w.ask(ctx, p)
	if err != nil {
		return unanswered(err), err
	}
	if err := w.hand(ctx, p, a, "a period was exported"); err != nil {
		return string(host.FailureOf(err)), err
	}
	if again := w.of.after(p.to, asked); !again.IsZero() {
		if err := w.kept(ctx, exported{period: p, answer: a.digest, again: again}); err != nil {
			return outcomeFailed, err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	if err := w.store.put(ctx, w.of.Tenant, w.of.Name, p.to); err != nil {
		return outcomeFailed, err
	}
	return outcomeDelivered, nil
}

// hand gives an answer to the plugin, when it is on record that it leaves.
func (w *worker) hand(ctx context.Context, p period, a *answer, how string) error {
	if err := w.record(ctx, p, a.rows, nil); err != nil {
		return err
	}
	location := ""
	for i, table := range a.parts {
		res, err := w.of.To.Export(ctx, &contractv1.ExportRequest{
			Delivery: delivery(w.of.Tenant, w.of.Name, p, i), TenantId: w.of.Tenant, Name: w.of.Name,
			From: p.from.UnixMilli(), To: p.to.UnixMilli(), Part: uint32(i), Last: i == len(a.parts)-1, Table: table,
		})
		if err != nil {
			return fmt.Errorf("part %d of %d: %w", i+1, len(a.parts), err)
		}
		location = res.GetLocation()
	}
	w.log.InfoContext(ctx, how, "export", w.of.Name, "tenant", w.of.Tenant, "from", p.from, "to", p.to,
		"rows", a.rows, "parts", len(a.parts), "location", query.Shortened(location))
	return nil
}

// kept records what was delivered, also when the process is about to end.
func (w *worker) kept(ctx context.Context, e exported) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	if !e.again.IsZero() && e.again.Before(w.look) {
		w.look = e.again
	}
	return w.store.keep(ctx, w.of, e)
}

func unanswered(err error) string {
	if errors.Is(err, errBehind) {
		return outcomeWaiting
	}
	return outcomeUnanswered
}
